// A server around stripe-sync-engine, as its README uses it: one process, one
// StripeSync, nothing between a request and processWebhook.
import { createServer } from 'node:http'
import { createRequire } from 'node:module'

// Its ES module looks for its migrations with __dirname, which ES modules do not
// have, and keeps the error to itself: its CommonJS module is the one that works.
const require = createRequire(import.meta.url)
const { StripeSync, runMigrations } = require('@supabase/stripe-sync-engine')
const Stripe = require('stripe')

const { PEER_DATABASE, PEER_LISTEN, PEER_STRIPE, PEER_KEY, PEER_SECRET } = process.env

await runMigrations({ databaseUrl: PEER_DATABASE, schema: 'stripe' })

const sync = new StripeSync({
  poolConfig: {
    connectionString: PEER_DATABASE,
    // 10, 20 and 32 connections came out the same at every load, within what each
    // varies by itself.
    max: 20,
  },
  stripeSecretKey: PEER_KEY,
  stripeWebhookSecret: PEER_SECRET,
})
const api = new URL(PEER_STRIPE)
sync.stripe = new Stripe(PEER_KEY, { host: api.hostname, port: api.port, protocol: 'http' })

async function handle(request, body) {
  switch (request.url) {
    case '/webhooks':
      await sync.processWebhook(body, request.headers['stripe-signature'])
      return ''
    case '/backfill': {
      const { products } = await sync.syncBackfill({ object: 'product' })
      return String(products.synced)
    }
    default:
      throw new Error(`no such page: ${request.url}`)
  }
}

const server = createServer((request, response) => {
  const chunks = []
  request.on('data', (chunk) => chunks.push(chunk))
  request.on('end', async () => {
    let status = 200
    let answer
    try {
      answer = await handle(request, Buffer.concat(chunks))
    } catch (err) {
      console.error(err)
      status = 500
      answer = err.message
    }
    response.writeHead(status, { 'content-length': Buffer.byteLength(answer) }).end(answer)
  })
})
const listen = new URL(`tcp://${PEER_LISTEN}`)
server.listen(Number(listen.port), listen.hostname)
