import type { AdminApi, Api, User } from '@turkey/sdk'
import { createContext, useContext, useSyncExternalStore } from 'react'
import type { Account } from './session'

export const AccountContext = createContext<Account | null>(null)

export function useAccount(): Account {
  const account = useContext(AccountContext)
  if (!account) throw new Error('useAccount outside of its provider')
  return account
}

export function useSessionState() {
  const account = useAccount()
  return useSyncExternalStore(account.subscribe, account.current)
}

/** The caller's vault and pipeline. */
export const useApi = (): Api => useAccount().api

/** Administration, for operators. */
export const useAdmin = (): AdminApi => useAccount().admin

/** The user who is signed in; only below the guard. */
export function useUser(): User {
  const state = useSessionState()
  if (state.status !== 'in') throw new Error('useUser outside of the guard')
  return state.user
}
