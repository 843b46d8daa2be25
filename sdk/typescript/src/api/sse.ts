/** One event of a stream; data is parsed JSON. */
export interface StreamEvent<T> {
  event: string
  id: string
  data: T
}

/** Reads the events of an answer as they come (text/event-stream). Leaving the loop, or the signal, ends the connection. */
export async function* events<T>(response: Response, signal?: AbortSignal): AsyncGenerator<StreamEvent<T>, void> {
  const reader = response.body!.getReader()
  const stop = () => void reader.cancel().catch(() => {})
  signal?.addEventListener('abort', stop, { once: true })
  const text = new TextDecoder()
  let rest = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (signal?.aborted) throw signal.reason
      if (done) return
      rest += text.decode(value, { stream: true })
      const blocks = rest.split(/\r?\n\r?\n/)
      rest = blocks.pop()!
      for (const block of blocks) {
        const event = { event: 'message', id: '', data: '' }
        for (const line of block.split(/\r?\n/)) {
          const [, name, content] = /^(event|id|data):? ?(.*)$/.exec(line) ?? []
          if (name === 'data') event.data += (event.data && '\n') + content
          else if (name) event[name as 'event' | 'id'] = content!
        }
        if (event.data) yield { ...event, data: JSON.parse(event.data) as T }
      }
    }
  } finally {
    signal?.removeEventListener('abort', stop)
    stop()
  }
}
