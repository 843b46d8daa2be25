import type { JWTPayload } from './types.js'

/** What of the newest token may be known to whoever opens the browser's tools; not the token. */
export type Marks = Pick<JWTPayload, 'jti' | 'iat' | 'exp'>

// localStorage, cookies and messages of another tab come late: a tab that holds the lock may still read what was before.
// IndexedDB does not: what was written under the lock is read under it.
async function store<T>(mode: IDBTransactionMode, work: (s: IDBObjectStore) => IDBRequest<T>): Promise<T | undefined> {
  if (typeof indexedDB === 'undefined') return undefined
  const done = <R>(r: IDBRequest<R>) => new Promise<R>((resolve, reject) => {
    r.onsuccess = () => resolve(r.result)
    r.onerror = () => reject(r.error)
  })
  try {
    const opening = indexedDB.open('turkey', 1)
    opening.onupgradeneeded = () => opening.result.createObjectStore('newest')
    const db = await done(opening)
    try {
      return await done(work(db.transaction('newest', mode).objectStore('newest')))
    } finally {
      db.close()
    }
  } catch {
    return undefined // forbidden here: now and then a tab refreshes once more than it had to
  }
}

/** The marks of the newest token of a session, whichever tab has it. */
export const newest = (session: string): Promise<Marks | undefined> => store('readonly', (s) => s.get(session) as IDBRequest<Marks | undefined>)

export const setNewest = (session: string, { jti, iat, exp }: Marks) => store('readwrite', (s) => s.put({ jti, iat, exp }, session))

export const noNewest = (session: string) => store('readwrite', (s) => s.delete(session))
