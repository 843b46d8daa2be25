// Runs in tabs and workers: asks for the access token over and over, and tells what it got.
import { Session, TurKeyClient } from '/-/dist/esm/core.js'

export async function storm({ baseUrl, appId, mode, leeway, seconds }) {
  const session = new Session(new TurKeyClient({ baseUrl, appId, mode }), { leeway })
  const seen = { tokens: [], lost: 0, errors: [] }
  for (const until = Date.now() + seconds * 1000; Date.now() < until; await new Promise((r) => setTimeout(r, 50 + Math.random() * 100))) {
    try {
      const token = await session.getAccessToken()
      if (!token) seen.lost++
      else if (!seen.tokens.includes(token)) seen.tokens.push(token)
    } catch (e) {
      seen.errors.push(String(e))
    }
  }
  session.close()
  return seen
}

if (typeof document === 'undefined') onmessage = async (e) => postMessage(await storm(e.data))
