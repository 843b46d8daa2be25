import type { ReactNode } from 'react'
import { Button as AriaButton, type ButtonProps as AriaButtonProps } from 'react-aria-components'
import { Link, type LinkProps } from 'react-router'

export type Look = 'primary' | 'danger' | 'quiet' | 'small' | 'icon' | 'wide'

export interface ButtonProps extends Omit<AriaButtonProps, 'className' | 'style' | 'children'> {
  /** Space-separated looks: "primary", "danger quiet small" … */
  look?: Look | `${Look} ${string}`
  /** Shows a spinner and takes no second press. */
  busy?: boolean
  children: ReactNode
}

export function Button({ look = '' as Look, busy = false, children, ...rest }: ButtonProps) {
  return (
    <AriaButton {...rest} isPending={busy} className={`button ${look}`}>
      {busy && <span className="spinner" aria-hidden="true" />}
      {children}
    </AriaButton>
  )
}

/** A link that looks like a button. */
export function ButtonLink({ look = '' as Look, ...rest }: LinkProps & { look?: ButtonProps['look'] }) {
  return <Link {...rest} className={`button ${look}`} />
}
