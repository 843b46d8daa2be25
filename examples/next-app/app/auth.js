'use client'

import { AuthProvider, TurKeyClient } from '@turkey/sdk'
import { useState } from 'react'

export function Auth({ baseUrl, appId, children }) {
  const [client] = useState(() => new TurKeyClient({ baseUrl, appId })) // tokens are cookies that this app's server reads
  return <AuthProvider client={client}>{children}</AuthProvider>
}
