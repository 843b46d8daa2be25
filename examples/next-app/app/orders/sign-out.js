'use client'

import { useTurkey } from '@turkey/sdk'

export function SignOut() {
  const { logout } = useTurkey()
  return <button onClick={() => logout().then(() => location.assign('/'))}>Sign out</button>
}
