/** Where a session keeps its tokens. Read again before every use, so another tab may have written. */
export interface TokenStorage {
  getAccessToken(): string | null
  getRefreshToken(): string | null
  setTokens(accessToken: string, refreshToken: string): void
  clearTokens(): void
}

const accessKey = 'turkey_access_token'
const refreshKey = 'turkey_refresh_token'
const day = 86400

export interface CookieOptions {
  /** Default true. Browsers take such cookies on http://localhost too. */
  secure?: boolean
  /** Default strict. */
  sameSite?: 'strict' | 'lax' | 'none'
  domain?: string
  /** Default /. */
  path?: string
}

/**
 * Cookies that scripts can read, so that the page's own server sees the access token. Without a document (on a server) it
 * holds nothing. A cookie that no script can read is mode: 'cookie' of the client.
 */
export class CookieTokenStorage implements TokenStorage {
  constructor(private readonly options: CookieOptions = {}) {}

  getAccessToken() {
    return this.read(accessKey)
  }

  getRefreshToken() {
    return this.read(refreshKey)
  }

  setTokens(accessToken: string, refreshToken: string) {
    this.write(refreshKey, refreshToken, 30 * day)
    this.write(accessKey, accessToken, day)
  }

  clearTokens() {
    this.write(accessKey, '', 0)
    this.write(refreshKey, '', 0)
  }

  private read(name: string): string | null {
    if (typeof document === 'undefined') return null
    const found = document.cookie.split('; ').find((c) => c.startsWith(name + '='))
    return (found && decodeURIComponent(found.slice(name.length + 1))) || null
  }

  private write(name: string, value: string, seconds: number) {
    if (typeof document === 'undefined') return
    const { secure = true, sameSite = 'strict', domain, path = '/' } = this.options
    document.cookie =
      `${name}=${encodeURIComponent(value)}; path=${path}; max-age=${seconds}; samesite=${sameSite}` +
      (secure ? '; secure' : '') + (domain ? `; domain=${domain}` : '')
    void document.cookie // writes are sent along, reads are waited for: now the other tabs see it too
  }
}

/** This object alone: gone with the page. */
export class MemoryTokenStorage implements TokenStorage {
  private access: string | null = null
  private refresh: string | null = null

  getAccessToken() {
    return this.access
  }

  getRefreshToken() {
    return this.refresh
  }

  setTokens(accessToken: string, refreshToken: string) {
    this.access = accessToken
    this.refresh = refreshToken
  }

  clearTokens() {
    this.access = this.refresh = null
  }
}

/** localStorage, shared by the tabs of an origin; memory where there is none, or none that takes a value. */
export class LocalStorageTokenStorage implements TokenStorage {
  private readonly memory = new MemoryTokenStorage()

  getAccessToken() {
    return this.memory.getAccessToken() ?? this.read(accessKey)
  }

  getRefreshToken() {
    return this.memory.getRefreshToken() ?? this.read(refreshKey)
  }

  setTokens(accessToken: string, refreshToken: string) {
    try {
      localStorage.setItem(refreshKey, refreshToken)
      localStorage.setItem(accessKey, accessToken)
      this.memory.clearTokens()
    } catch {
      this.memory.setTokens(accessToken, refreshToken) // full or forbidden: a token that was rotated must not get lost
    }
  }

  clearTokens() {
    this.memory.clearTokens()
    try {
      localStorage.removeItem(accessKey)
      localStorage.removeItem(refreshKey)
    } catch {
      // there is none
    }
  }

  private read(key: string): string | null {
    try {
      return localStorage.getItem(key)
    } catch {
      return null
    }
  }
}
