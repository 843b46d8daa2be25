import { MoreHorizontal } from 'lucide-react'
import type { ReactNode } from 'react'
import { Button as AriaButton, Menu, MenuItem, MenuTrigger, Popover } from 'react-aria-components'

export interface Act {
  id: string
  label: string
  icon?: ReactNode
  danger?: boolean
  disabled?: boolean
  run: () => void
}

/** The acts that a row or card offers, behind one button. */
export function Acts({ label, acts, trigger }: { label: string; acts: readonly Act[]; trigger?: ReactNode }) {
  return (
    <MenuTrigger>
      <AriaButton className={trigger ? 'button quiet' : 'button quiet small icon'} aria-label={label}>{trigger ?? <MoreHorizontal aria-hidden="true" />}</AriaButton>
      <Popover className="popover" placement="bottom end">
        <Menu className="listbox" items={acts} disabledKeys={acts.filter((a) => a.disabled).map((a) => a.id)}>
          {(a) => <MenuItem id={a.id} textValue={a.label} className={`option${a.danger ? ' danger' : ''}`} onAction={a.run}>{a.icon}{a.label}</MenuItem>}
        </Menu>
      </Popover>
    </MenuTrigger>
  )
}
