// An API in Express: orders of the user who asks. Tokens are verified in memory, and those that end early are refused within a second.
import { RevocationFeed, requireAuth } from '@turkey/sdk/middleware'
import express from 'express'

const { TURKEY_URL: baseUrl = 'http://localhost:3000', APP_ID: appId = 'shop', TURKEY_SERVICE_API_KEY: serviceApiKey } = process.env
const { PORT = '4002', PAGES = 'http://localhost:5173' } = process.env
const revocations = new RevocationFeed({ baseUrl, appId, serviceApiKey, onError: (e) => console.error(e.message) }).start()
const orders = new Map() // by user; a real shop has a database

const app = express()
app.use((req, res, next) => { // pages of another origin may ask
  res.set({ 'Access-Control-Allow-Origin': PAGES, 'Access-Control-Allow-Headers': 'Authorization, Content-Type', Vary: 'Origin' })
  req.method === 'OPTIONS' ? res.sendStatus(204) : next()
})
app.use('/orders', requireAuth({ baseUrl, appId, revocations }), express.json({ limit: '4kb' }))

app.get('/orders', (req, res) => res.json(orders.get(req.user.id) ?? []))
app.post('/orders', (req, res) => {
  if (typeof req.body?.item !== 'string' || !req.body.item) return res.status(400).json({ error: 'item is required' })
  const order = { item: req.body.item, at: new Date() }
  orders.set(req.user.id, [...(orders.get(req.user.id) ?? []), order])
  res.status(201).json(order)
})

app.listen(Number(PORT), 'localhost', () => console.log(`http://localhost:${PORT}`))
