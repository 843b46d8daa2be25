'use client'

import { peer } from '#react'
import type { TurKeyClient } from './client.js'
import { ConfigurationError, isTurKeyError } from './errors.js'
import { getPasswordStrength, type PasswordRequirements, type PasswordValidationResult, validatePassword } from './password.js'
import { Session } from './session.js'
import { CookieTokenStorage, type TokenStorage } from './storage.js'
import type { AuthResponse, LoginRequest, RegisterRequest, User } from './types.js'

// React is fetched at the first use and not at import: servers without it load this file too. For the same reason no type of
// React stands in a signature.
type React = typeof import('react')

function react(): React {
  const r = peer()
  if (!r) throw new ConfigurationError('The hooks of @turkey/sdk need React 16.8 or newer: npm install react')
  return r
}

export interface TurkeyContext {
  user: User | null
  isAuthenticated: boolean
  /** Until it is known whether somebody is signed in, and while somebody does. */
  isLoading: boolean
  login: (request: LoginRequest) => Promise<AuthResponse>
  register: (request: RegisterRequest) => Promise<AuthResponse>
  logout: () => Promise<void>
  refreshTokens: () => Promise<void>
  client: TurKeyClient
  /** For createApi, fetch, and what else needs an access token. */
  session: Session
}

export interface AuthProviderProps {
  client: TurKeyClient
  /** Default CookieTokenStorage; with the client in cookie mode memory. One object for all renders. */
  storage?: TokenStorage
  /** Refresh in the background, default true. */
  autoRefresh?: boolean
  children?: any
}

let context: ReturnType<React['createContext']> | undefined
const shared = () => (context ??= react().createContext<unknown>(null))
const current = () => react().useContext(shared()) as TurkeyContext | null

let cookies: CookieTokenStorage | undefined
const cookieStorage = () => (cookies ??= new CookieTokenStorage())

export function AuthProvider({ client, storage, autoRefresh = true, children }: AuthProviderProps): any {
  const { createElement, useEffect, useMemo, useState } = react()
  const session = useMemo(
    () => new Session(client, { storage: storage ?? (client.config.mode === 'cookie' ? undefined : cookieStorage()) }),
    [client, storage],
  )
  const [user, setUser] = useState<User | null>(null)
  const [isLoading, setLoading] = useState(true)

  useEffect(() => {
    let gone = false
    const show = () => {
      if (gone) return
      const next = session.user
      setUser((was) => (was?.id === next?.id && was?.email === next?.email && was?.role === next?.role ? was : next))
    }
    session.connect()
    const stop = session.subscribe(show)
    // Without an answer it is not known whether the session is over, so nobody is signed out.
    session.getAccessToken().catch(() => {}).finally(() => {
      show()
      if (!gone) setLoading(false)
    })
    return () => {
      gone = true
      stop()
      session.close()
    }
  }, [session])

  useEffect(() => (autoRefresh && user ? session.keepFresh() : undefined), [autoRefresh, session, user !== null])

  const value = useMemo<TurkeyContext>(() => {
    const entering = async (answer: Promise<AuthResponse>) => {
      setLoading(true)
      try {
        const entered = await answer
        if (entered.accessToken) setUser(entered.user)
        return entered
      } finally {
        setLoading(false)
      }
    }
    return {
      user,
      isAuthenticated: user !== null,
      isLoading,
      client,
      session,
      login: (request) => entering(session.login(request)),
      register: (request) => entering(session.register(request)),
      logout: () => session.logout().catch((e) => {
        if (!isTurKeyError(e)) throw e // the tokens are forgotten here; the server could not be told
      }),
      refreshTokens: async () => void (await session.refresh()),
    }
  }, [client, session, user, isLoading])
  return createElement(shared().Provider, { value }, children)
}

export function useTurkey(): TurkeyContext {
  const found = current()
  if (!found) throw new ConfigurationError('useTurkey must be used within an AuthProvider')
  return found
}

/** The access token at hand, of the provider or of a storage of one's own. For calls prefer useAuthenticatedFetch, which renews it. */
export function useAccessToken(storage?: TokenStorage): string | null {
  const { useEffect, useState } = react()
  const session = current()?.session
  const source = storage ?? session?.storage ?? cookieStorage()
  const [token, setToken] = useState<string | null>(null)
  useEffect(() => {
    const read = () => setToken(source.getAccessToken())
    read()
    return session?.subscribe(read)
  }, [source, session])
  return token
}

/** fetch with the access token. Inside a provider a token that is over is renewed first, and once more on 401. */
export function useAuthenticatedFetch(storage?: TokenStorage): (url: string | URL | Request, options?: RequestInit) => Promise<Response> {
  const { useCallback } = react()
  const session = current()?.session
  return useCallback(
    (url: string | URL | Request, options: RequestInit = {}) => {
      if (session && (!storage || storage === session.storage)) return session.fetch(url, options)
      const token = (storage ?? cookieStorage()).getAccessToken()
      const request = new Request(url, options)
      if (token) request.headers.set('Authorization', 'Bearer ' + token)
      return fetch(request)
    },
    [storage, session],
  )
}

function useDebounced<T>(value: T, ms: number): T {
  const { useEffect, useState } = react()
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms)
    return () => clearTimeout(timer)
  }, [value, ms])
  return settled
}

type Strength = ReturnType<typeof getPasswordStrength>

/** What validatePassword and getPasswordStrength say, once the typing pauses. An empty field has no errors yet. */
export function usePasswordValidation(
  password: string, requirements?: Partial<PasswordRequirements>, debounceMs = 300,
): PasswordValidationResult & {
  strengthText: Strength['text']
  strengthColor: Strength['color']
  strengthLevel: Strength['level']
  isValidating: boolean
} {
  const { useMemo } = react()
  const settled = useDebounced(password, debounceMs)
  const rules = JSON.stringify(requirements ?? {}) // callers write the object anew in every render
  const result = useMemo(
    () => (settled ? validatePassword(settled, requirements) : { valid: false, errors: [], score: 0, warnings: [], feedback: [] }),
    [settled, rules],
  )
  const { text, color, level } = getPasswordStrength(result.score)
  return { ...result, strengthText: text, strengthColor: color, strengthLevel: level, isValidating: settled !== password }
}

/** Whether two fields are alike, once the typing pauses. */
export function usePasswordConfirmation(
  password: string, confirm: string, debounceMs = 300,
): { isMatching: boolean; showMismatch: boolean; error: string | undefined; isValidating: boolean } {
  const settled = useDebounced(confirm, debounceMs)
  const isMatching = settled !== '' && settled === password
  const showMismatch = settled !== '' && !isMatching
  return { isMatching, showMismatch, error: showMismatch ? 'Passwords do not match' : undefined, isValidating: settled !== confirm }
}
