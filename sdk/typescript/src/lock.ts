// One at a time, over all tabs and workers of an origin where the browser has Web Locks, else over this program.
const queues = new Map<string, Promise<unknown>>()

export function exclusively<T>(name: string, work: () => Promise<T>): Promise<T> {
  const locks = globalThis.navigator?.locks
  if (locks) return locks.request(name, work) as Promise<T>
  const before = queues.get(name) ?? Promise.resolve()
  const mine = before.then(work, work)
  queues.set(name, mine)
  const gone = () => queues.get(name) === mine && queues.delete(name)
  mine.then(gone, gone)
  return mine
}

export type Message = { type: 'changed' | 'ended' | 'ask' } | { type: 'token'; accessToken: string }

/** Tells the other tabs and workers of an origin. Outside browsers nobody else is there. */
export class Channel {
  closed = false
  private readonly channel: BroadcastChannel | undefined

  constructor(name: string, hear: (m: Message) => void) {
    if (typeof BroadcastChannel === 'undefined' || !globalThis.location?.origin) return
    this.channel = new BroadcastChannel(name)
    this.channel.onmessage = (e) => hear(e.data as Message)
  }

  tell(m: Message) {
    if (!this.closed) this.channel?.postMessage(m)
  }

  close() {
    this.closed = true
    this.channel?.close()
  }
}
