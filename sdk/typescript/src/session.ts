import type { TurKeyClient } from './client.js'
import { AuthenticationError, isTurKeyError, TokenError } from './errors.js'
import { Channel, exclusively, type Message } from './lock.js'
import { type Marks, newest, noNewest, setNewest } from './newest.js'
import { LocalStorageTokenStorage, MemoryTokenStorage, type TokenStorage } from './storage.js'
import { type Call, type Caller, race, sleep } from './transport.js'
import type { AuthResponse, CallOptions, LoginRequest, RegisterRequest, TokenPair, User } from './types.js'

export interface SessionOptions {
  /** Where tokens are kept. Default: localStorage, in cookie mode memory. */
  storage?: TokenStorage
  /** Seconds that a token must still live to be used, default 10. */
  leeway?: number
}

/** Seconds since 1970. */
const now = () => Date.now() / 1000

/** How long a tab waits for the token that another one has, in milliseconds: while it has seen one, and on its first load. */
const patience = { later: 1000, first: 250 }

// What a new access token mends: the old one is over, or of a key that was revoked. /api says AUTH_FAILED to all of it.
const renewable = ['token_expired', 'token_revoked', 'invalid_token', 'invalid_signature', 'AUTH_FAILED', 'INVALID_TOKEN']

/**
 * One person's session: its tokens in a storage, refreshed once for all tabs when they are about to expire. Tokens are given
 * up only when the server says that the session is over; no lost network and no answer of a proxy ends it.
 */
export class Session implements Caller {
  readonly storage: TokenStorage
  private readonly cookie: boolean
  private readonly leeway: number
  private readonly name: string
  private channel: Channel
  private readonly listeners = new Set<() => void>()
  /** Server's clock minus ours, as the last token showed it. */
  private skew = 0
  private refreshing: Promise<TokenPair> | undefined
  private timer: ReturnType<typeof setTimeout> | undefined

  constructor(readonly client: TurKeyClient, options: SessionOptions = {}) {
    this.cookie = client.config.mode === 'cookie'
    this.storage = options.storage ?? (this.cookie ? new MemoryTokenStorage() : new LocalStorageTokenStorage())
    this.leeway = options.leeway ?? 10
    this.name = `turkey ${client.config.baseUrl} ${client.config.appId ?? ''}`
    this.channel = new Channel(this.name, (m) => this.hear(m))
  }

  /** The user of the token at hand, without asking anybody; null: nobody is signed in. */
  get user(): User | null {
    const token = this.storage.getAccessToken()
    return token ? this.client.getUserFromToken(token) : null
  }

  async login(request: LoginRequest, options?: CallOptions): Promise<AuthResponse> {
    return this.began(await this.client.login(request, options))
  }

  async register(request: RegisterRequest, options?: CallOptions): Promise<AuthResponse> {
    return this.began(await this.client.register(request, options))
  }

  /** Forgets the tokens, here and in other tabs, even where the server cannot be told; then the error says so. */
  logout(options?: CallOptions): Promise<void> {
    return this.leave((token) => this.client.logout(token, options))
  }

  /** Ends all sessions of the user. */
  logoutAll(options?: CallOptions): Promise<void> {
    return this.leave((token) => this.client.logoutAll(token, options))
  }

  /** An access token that is good for some time yet; null: nobody is signed in. */
  async getAccessToken(options: CallOptions & { minTtl?: number } = {}): Promise<string | null> {
    const least = options.minTtl ?? this.leeway
    const token = this.storage.getAccessToken()
    if (token && this.lives(token) > least) return token
    if (!token && !this.cookie && !this.storage.getRefreshToken()) return null
    try {
      return (await race(this.renew((m) => this.remains(m) > least), options.signal)).accessToken
    } catch (e) {
      if (over(e)) return null
      throw e
    }
  }

  /** New tokens now, or those that another tab just got. Throws when nobody is signed in. */
  refresh(options: CallOptions = {}): Promise<TokenPair> {
    return race(this.renew(this.otherThan(this.storage.getAccessToken())), options.signal)
  }

  /** Calls in the session's name. A token that the server refuses is renewed once. */
  send<T>(call: Call): Promise<T> {
    return this.named(call, (c) => c.send<T>(call))
  }

  open(call: Call): Promise<Response> {
    return this.named(call, (c) => c.open(call))
  }

  /** fetch with the access token; on 401 once more with a new one. Give it only addresses that may see the token. */
  readonly fetch = async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const signal = init.signal ?? (input instanceof Request ? input.signal : undefined) ?? undefined
    const once = async (token: string | null) => {
      const request = new Request(input instanceof Request ? input.clone() : input, init)
      if (token) request.headers.set('Authorization', 'Bearer ' + token)
      return fetch(request)
    }
    const token = await this.getAccessToken({ signal })
    const response = await once(token)
    if (response.status !== 401 || !token || init.body instanceof ReadableStream) return response
    const renewed = await race(this.renew(this.otherThan(token)), signal).catch(() => undefined)
    if (!renewed) return response
    await response.body?.cancel()
    return once(renewed.accessToken)
  }

  /** Tells of every change of the tokens, in this tab or another. Gives back the way to stop. */
  subscribe(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /** Refreshes in the background: 5 minutes before the token expires, and not before 30 seconds. Gives back the way to stop. */
  keepFresh(): () => void {
    // The tab whose timer is first does it for all: a token of the last half minute is fresh, however short it lives.
    const fresh = (m: Marks) => this.remains(m) > 300 || (this.remains(m) > 0 && now() + this.skew - m.iat < 25)
    const plan = () => {
      clearTimeout(this.timer)
      const token = this.storage.getAccessToken()
      if (!token) return
      this.timer = setTimeout(() => {
        if (!this.storage.getAccessToken()) return
        this.renew(fresh).then(plan, plan)
      }, Math.max(30, this.lives(token) - 300) * 1000)
    }
    const stop = this.subscribe(plan)
    plan()
    return () => {
      stop()
      clearTimeout(this.timer)
    }
  }

  /** Hears the other tabs again after close. */
  connect() {
    if (this.channel.closed) this.channel = new Channel(this.name, (m) => this.hear(m))
  }

  /** Hears the other tabs no more; the tokens stay. */
  close() {
    clearTimeout(this.timer)
    this.channel.close()
  }

  private marks(token: string | null): Marks & { aud?: string } {
    try {
      return this.client.decodeToken(token ?? '')
    } catch {
      return { jti: '', iat: 0, exp: 0 } // none, or somebody else wrote into the storage
    }
  }

  /** Seconds that a token has yet by the server's clock. */
  private remains(m: Marks): number {
    return m.exp - (now() + this.skew)
  }

  private lives(token: string): number {
    return this.remains(this.marks(token))
  }

  /** The check that a token is a good one, and not the one that was refused. */
  private otherThan(refused: string | null): (m: Marks) => boolean {
    const { jti } = this.marks(refused)
    return (m) => m.jti !== jti && this.remains(m) > 0
  }

  /** Only while it is our turn. The storage comes first: a token that was rotated must not get lost. */
  private async keep(tokens: TokenPair) {
    const marks = this.marks(tokens.accessToken)
    this.skew = marks.iat - now()
    if (Math.abs(this.skew) < 5) this.skew = 0 // rounding, and the way here
    this.storage.setTokens(tokens.accessToken, tokens.refreshToken)
    await setNewest(this.name, marks)
    this.tell({ type: 'changed' })
    if (this.cookie) this.channel.tell({ type: 'token', accessToken: tokens.accessToken })
  }

  private async forget() {
    this.storage.clearTokens()
    await noNewest(this.name)
    this.tell({ type: 'ended' })
  }

  private tell(m: Message) {
    this.channel.tell(m)
    for (const listener of [...this.listeners]) listener()
  }

  private hear(m: Message) {
    if (m.type === 'ask') {
      const token = this.cookie ? this.storage.getAccessToken() : null
      if (token && this.lives(token) > 0) this.channel.tell({ type: 'token', accessToken: token })
      return
    }
    if (this.cookie && m.type === 'token') {
      const mine = this.storage.getAccessToken()
      if (this.marks(mine).iat > this.marks(m.accessToken).iat) return
      this.storage.setTokens(m.accessToken, '')
    }
    if (this.cookie && m.type === 'ended') this.storage.clearTokens()
    for (const listener of [...this.listeners]) listener()
  }

  private async began(answer: AuthResponse): Promise<AuthResponse> {
    // After a refresh that is under way, or its tokens of the session before would come last.
    if (answer.accessToken) await exclusively(this.name, () => this.keep(answer))
    return answer
  }

  private async leave(end: (token?: string) => Promise<void>): Promise<void> {
    await exclusively(this.name, async () => {
      const token = this.storage.getRefreshToken() || undefined
      const nothing = !token && !this.cookie
      await this.forget()
      if (nothing) return
      try {
        await end(token)
      } catch (e) {
        if (!(isTurKeyError(e) && (e.statusCode === 400 || e.statusCode === 401))) throw e // there is no session to end
      }
    })
  }

  /** Tokens that pass the check: those there are by the time it is our turn, else new ones. */
  private renew(good: (m: Marks) => boolean): Promise<TokenPair> {
    this.refreshing ??= exclusively(this.name, () => this.turn(good)).finally(() => (this.refreshing = undefined))
    return this.refreshing
  }

  private async turn(good: (m: Marks) => boolean): Promise<TokenPair> {
    const there = await this.present(good)
    if (there) return there
    for (;;) {
      const refreshToken = this.storage.getRefreshToken() || undefined
      if (!refreshToken && !this.cookie) throw new AuthenticationError('Nobody is signed in', { code: 'NOT_SIGNED_IN' })
      this.ours()
      try {
        const tokens = await this.client.refresh({ refreshToken })
        await this.keep(tokens)
        return tokens
      } catch (e) {
        if (!over(e)) throw e
        const newer = this.storage.getRefreshToken() || undefined
        if (refreshToken && newer && newer !== refreshToken) continue // somebody without our lock was faster
        await this.forget()
        throw e
      }
    }
  }

  /** The server calls the token of another app an invalid one. It is not: it must not be forgotten over a wrong appId. */
  private ours() {
    const { appId } = this.client.config
    const token = this.storage.getAccessToken()
    const { aud } = this.marks(token)
    if (aud && appId && aud !== appId) throw new TokenError(`The stored tokens are of the app ${aud}, not of ${appId}`, { code: 'invalid_audience', statusCode: 0 })
  }

  /** The tokens there are, if they pass. Those that another tab has just got may take a moment to come. */
  private async present(good: (m: Marks) => boolean): Promise<TokenPair | undefined> {
    const read = () => {
      const accessToken = this.storage.getAccessToken()
      if (!accessToken || !good(this.marks(accessToken))) return undefined
      return { accessToken, refreshToken: this.storage.getRefreshToken() ?? '', expiresIn: Math.floor(this.lives(accessToken)), tokenType: 'Bearer' }
    }
    const there = read()
    if (there) return there
    const elsewhere = await newest(this.name)
    if (!elsewhere || !good(elsewhere)) return undefined
    if (this.cookie) this.channel.tell({ type: 'ask' })
    const wait = this.storage.getAccessToken() ? patience.later : patience.first
    for (const until = Date.now() + wait; Date.now() < until; await sleep(10)) {
      const come = read()
      if (come) return come
    }
    return read()
  }

  private async named<T>(call: Call, go: (c: Caller) => Promise<T>): Promise<T> {
    const token = await this.getAccessToken(call)
    if (!token) throw new AuthenticationError('Nobody is signed in', { code: 'NOT_SIGNED_IN' })
    try {
      return await go(this.client.as(token))
    } catch (e) {
      if (!isTurKeyError(e) || e.statusCode !== 401 || !renewable.includes(e.code)) throw e
      const { accessToken } = await race(this.renew(this.otherThan(token)), call.signal)
      return go(this.client.as(accessToken))
    }
  }
}

/**
 * Tells whether the server said that the session is over. A wrong appId is not that: the token stays good in its own app.
 * In cookie mode a missing cookie is a missing field.
 */
function over(e: unknown): boolean {
  if (!isTurKeyError(e)) return false
  if (e.code === 'NOT_SIGNED_IN') return true
  if (e.code === 'invalid_grant') return !/app context/i.test(e.message)
  return e.code === 'validation_error' && !!e.details?.some((d) => d.field === 'refreshToken')
}
