// A reverse proxy before the real server: it counts calls, breaks answers on demand, and serves the test's pages. Tests run in
// other processes and speak to it under /-/.
import { createServer, request } from 'node:http'
import { readFile } from 'node:fs/promises'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../', import.meta.url))
const types = { '.js': 'text/javascript', '.mjs': 'text/javascript', '.html': 'text/html', '.json': 'application/json' }

export async function startProxy() {
  let target
  const faults = [] // {match, kind, times}
  const refreshes = new Map() // by app
  const sockets = new Set()

  const handler = async (req, res) => {
    const body = await new Promise((done) => {
      const chunks = []
      req.on('data', (c) => chunks.push(c)).on('end', () => done(Buffer.concat(chunks)))
    })
    if (req.url.startsWith('/-/')) return control(req, res, body.toString())
    const call = `${req.method} ${req.url} ${body}`
    if (req.url === '/v1/auth/refresh' && req.method === 'POST') {
      const app = JSON.parse(body.toString() || '{}').appId ?? ''
      refreshes.set(app, (refreshes.get(app) ?? 0) + 1)
    }
    const at = faults.findIndex((f) => call.includes(f.match))
    const fault = at >= 0 ? faults[at] : undefined
    if (fault && --fault.times <= 0) faults.splice(at, 1)
    if (fault?.kind === 'refuse') return req.socket.destroy()
    if (fault?.kind === 'html') return res.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><p>Please accept our terms')
    if (fault?.kind === 'gateway') return res.writeHead(502, { 'Content-Type': 'text/html' }).end('<h1>502 Bad Gateway</h1>')
    if (fault?.kind === 'limit') return res.writeHead(429, { 'Content-Type': 'application/json', 'Retry-After': String(fault.seconds) }).end(JSON.stringify({ error: 'rate_limit_exceeded', message: 'Too many requests', retryAfter: fault.seconds }))
    if (fault?.kind === 'busy') return res.writeHead(503, { 'Content-Type': 'application/json', 'Retry-After': String(fault.seconds) }).end(JSON.stringify({ error: 'service_unavailable', message: 'Not now' }))
    if (fault?.kind === 'hang') return
    const to = new URL(target)
    const out = request({ host: to.hostname, port: to.port, method: req.method, path: req.url, headers: { ...req.headers, connection: 'close' } }, (answer) => {
      // What has come this far has had its effect on the server.
      if (fault?.kind === 'lose') return answer.resume().on('end', () => req.socket.destroy())
      if (fault?.kind === 'cut') {
        const chunks = []
        return answer.on('data', (c) => chunks.push(c)).on('end', () => {
          const whole = Buffer.concat(chunks)
          res.writeHead(answer.statusCode, { 'Content-Type': 'application/json' }).end(whole.subarray(0, whole.length / 2))
        })
      }
      res.writeHead(answer.statusCode, answer.headers)
      answer.pipe(res)
    })
    out.on('error', () => req.socket.destroy())
    res.on('close', () => out.destroy())
    out.end(body)
  }

  async function control(req, res, body) {
    const url = new URL(req.url, 'http://localhost')
    if (url.pathname === '/-/fault') {
      faults.push(JSON.parse(body))
      return res.end('{}')
    }
    if (url.pathname === '/-/refreshes') return res.end(String(refreshes.get(url.searchParams.get('app')) ?? 0))
    const path = normalize(url.pathname.slice(3))
    if (path.startsWith('..')) return res.writeHead(404).end()
    const content = await readFile(join(root, path)).catch(() => undefined)
    if (!content) return res.writeHead(404).end()
    res.writeHead(200, { 'Content-Type': types[extname(path)] ?? 'text/plain' }).end(content)
  }

  const listen = () =>
    new Promise((done) => {
      const s = createServer(handler).on('connection', (c) => sockets.add(c) && c.on('close', () => sockets.delete(c)))
      s.listen(0, '127.0.0.1', () => done(s))
    })
  const [api, pages] = await Promise.all([listen(), listen()])
  return {
    url: `http://localhost:${api.address().port}`,
    pages: `http://localhost:${pages.address().port}`,
    target: (url) => (target = url),
    stop() {
      api.close()
      pages.close()
      for (const s of sockets) s.destroy()
    },
  }
}

// For the tests

const base = () => process.env.TURKEY_URL

/** Breaks the next calls whose method, path or body contain match: lose, cut, html, gateway, limit, busy, refuse, hang. */
export async function fault(match, kind, more = {}) {
  await fetch(base() + '/-/fault', { method: 'POST', body: JSON.stringify({ match, kind, times: 1, ...more }) })
}

export async function refreshesOf(app) {
  return Number(await (await fetch(`${base()}/-/refreshes?app=${app}`)).text())
}
