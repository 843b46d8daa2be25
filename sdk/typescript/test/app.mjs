// A React page for the test: who is signed in, and the hooks.
import { createElement as h, StrictMode, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { AuthProvider, TurKeyClient, useAccessToken, useAuthenticatedFetch, usePasswordConfirmation, usePasswordValidation, useTurkey } from '@turkey/sdk'

function Page() {
  const { user, isAuthenticated, isLoading, session, client, ...acts } = useTurkey()
  const token = useAccessToken()
  const authenticatedFetch = useAuthenticatedFetch()
  const [password, setPassword] = useState('')
  const check = usePasswordValidation(password, { minLength: 9 }, 10)
  const confirmed = usePasswordConfirmation(password, 'Correct-Horse7', 10)
  Object.assign(window, { acts, client, session, authenticatedFetch, setPassword })
  return h('p', { id: 'state' }, JSON.stringify({
    loading: isLoading, email: user?.email, in: isAuthenticated, token: token !== null, valid: check.valid, strength: check.strengthLevel, matching: confirmed.isMatching,
  }))
}

window.show = (config) => {
  const client = new TurKeyClient(config)
  createRoot(document.getElementById('root')).render(h(StrictMode, null, h(AuthProvider, { client }, h(Page))))
}
