'use client'

import { useTurkey } from '@turkey/sdk'
import { useRouter } from 'next/navigation'
import { useState } from 'react'

export default function SignIn() {
  const { login, register, isLoading } = useTurkey()
  const router = useRouter()
  const [error, setError] = useState('')
  const enter = (how) => async (event) => {
    event.preventDefault()
    const { email, password } = Object.fromEntries(new FormData(event.target.closest('form')))
    try {
      await how({ email, password })
      router.push('/orders')
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
