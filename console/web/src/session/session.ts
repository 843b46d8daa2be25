import { createAdminApi, createApi, isTurKeyError, Session, TurKeyClient, type AdminApi, type Api, type User } from '@turkey/sdk'

export type State =
  | { status: 'starting' }
  | { status: 'out' }
  /** The server could not be asked whether somebody is signed in. */
  | { status: 'unknown'; error: unknown }
  | { status: 'in'; user: User }

/**
 * Who uses this page, for one app. The refresh token is a cookie that no script can read; the access token is in memory. The
 * SDK's session shares one renewal over all tabs; this one says what the page has to show.
 */
export class Account {
  readonly client: TurKeyClient
  readonly session: Session
  readonly api: Api
  readonly admin: AdminApi
  private state: State = { status: 'starting' }
  private readonly listeners = new Set<() => void>()

  constructor(readonly appId: string | undefined) {
    this.client = new TurKeyClient({
      baseUrl: location.origin,
      ...(appId ? { appId } : {}),
      mode: 'cookie',
      timeout: 30_000,
      retry: { maxAttempts: 2, initialDelayMs: 400, maxDelayMs: 2000 },
    })
    this.session = new Session(this.client)
    this.api = createApi(this.session)
    this.admin = createAdminApi(this.session)
    this.session.subscribe(() => this.look())
  }

  readonly subscribe = (listener: () => void) => {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }
  readonly current = () => this.state

  /** Finds out whether the browser has a session. */
  async start() {
    this.set({ status: 'starting' })
    try {
      if (!(await this.session.getAccessToken())) this.set({ status: 'out' })
      else this.look()
    } catch (error) {
      this.set({ status: 'unknown', error })
    }
  }

  async signIn(email: string, password: string) {
    await this.session.login({ email, password })
    this.look()
  }

  /** Whether the new user is signed in; otherwise the address has to be verified first. */
  async signUp(email: string, password: string): Promise<boolean> {
    const answer = await this.session.register({ email, password, validatePassword: false })
    this.look()
    return Boolean(answer.accessToken)
  }

  /** Signs out even where the server cannot be told; the cookie is then still there, so the error has to be shown. */
  async signOut(everywhere = false) {
    await (everywhere ? this.session.logoutAll() : this.session.logout())
  }

  /** New claims after a change of the own account. */
  async renew() {
    await this.session.refresh()
    this.look()
  }

  /** Takes over what the session knows, after its own change or another tab's. */
  private look() {
    const { user } = this.session
    if (user) {
      if (this.state.status !== 'in' || this.state.user.id !== user.id || this.state.user.email !== user.email || this.state.user.role !== user.role) this.set({ status: 'in', user })
    } else if (this.state.status === 'in') {
      this.set({ status: 'out' })
    }
  }

  private set(state: State) {
    this.state = state
    for (const listener of this.listeners) listener()
  }
}

/** Tells whether the error means that somebody has to sign in again. */
export const signedOut = (error: unknown) => isTurKeyError(error) && error.code === 'NOT_SIGNED_IN'
