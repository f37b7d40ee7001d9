// Whether the process in this container lives: 0 or 1. It asks by loopback, where a worker answers on WORKER_PORT.
import http from 'node:http'
import https from 'node:https'

const { WORKER_PORT, PORT = '8080', TLS_CERT_FILE } = process.env
const [scheme, port] = WORKER_PORT ? ['http', WORKER_PORT] : [TLS_CERT_FILE ? 'https' : 'http', PORT]
// The certificate is for the name that clients use.
const asked = { rejectUnauthorized: false, timeout: 3_000 }
const request = (scheme === 'https' ? https : http).get(`${scheme}://127.0.0.1:${port}/healthz`, asked, (reply) => {
  process.exit(reply.statusCode === 200 ? 0 : 1)
})
request.on('timeout', () => request.destroy(new Error('no answer in 3 s')))
request.on('error', (error) => {
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
})
