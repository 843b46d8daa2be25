import type { ReactNode } from 'react'
import { addMessages } from '../../i18n'
import messages from '../../messages/en/auth.json'
import { Brand } from '../../shell/Brand'
import { Centre } from '../../shell/Gate'

addMessages('auth', messages)

/** The frame of the pages before the sign-in. */
export function AuthCard({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Centre>
      <div className="brand"><Brand /></div>
      <section className="card">
        <h1>{title}</h1>
        {children}
      </section>
    </Centre>
  )
}
