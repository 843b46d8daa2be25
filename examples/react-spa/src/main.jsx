// A single page: sign up or in, see and place orders at an API of one's own, sign out. Tabs share the session.
import { AuthProvider, TurKeyClient, useAuthenticatedFetch, useTurkey } from '@turkey/sdk'
import { useEffect, useState } from 'react'
import { createRoot } from 'react-dom/client'

const { VITE_TURKEY_URL = 'http://localhost:3000', VITE_API_URL = 'http://localhost:4002', VITE_APP_ID = 'shop' } = import.meta.env
const client = new TurKeyClient({ baseUrl: VITE_TURKEY_URL, appId: VITE_APP_ID })

function SignIn() {
  const { login, register, isLoading } = useTurkey()
  const [error, setError] = useState('')
  const enter = (how) => async (event) => {
    event.preventDefault()
    const { email, password } = Object.fromEntries(new FormData(event.target.closest('form')))
    try {
      await how({ email, password })
    } catch (e) {
      setError(e.details?.[0]?.message ?? e.message)
    }
  }
  return (
    <form onSubmit={enter(login)} hidden={isLoading /* and keeps what was typed */}>
      <label>E-mail <input name="email" type="email" autoComplete="username" required /></label>
      <label>Password <input name="password" type="password" autoComplete="current-password" required /></label>
      <button>Sign in</button>
      <button type="button" onClick={enter(register)}>Sign up</button>
      {error && <p role="alert">{error}</p>}
    </form>
  )
}

function Orders() {
  const { user, logout } = useTurkey()
  const fetch = useAuthenticatedFetch() // renews the token where needed
  const [orders, setOrders] = useState([])
  const load = () => fetch(VITE_API_URL + '/orders').then((r) => r.json()).then(setOrders)
  useEffect(() => void load(), [])
  const place = async (event) => {
    event.preventDefault()
    const form = event.target
    await fetch(VITE_API_URL + '/orders', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ item: new FormData(form).get('item') }),
    })
    form.reset()
    await load()
  }
  return (
    <>
      <p>{user.email} <button onClick={logout}>Sign out</button></p>
      <form onSubmit={place}><label>Item <input name="item" required /></label><button>Order</button></form>
      <ul>{orders.map((o, i) => <li key={i}>{o.item}</li>)}</ul>
    </>
  )
}

function Page() {
  const { user } = useTurkey()
  return user ? <Orders /> : <SignIn />
}

createRoot(document.getElementById('root')).render(<AuthProvider client={client}><Page /></AuthProvider>)
