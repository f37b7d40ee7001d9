import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createSecureServer } from 'node:http2'
import { type AddressInfo, isIP } from 'node:net'
import { explainListening } from './listening.ts'
import type { HttpSettings } from './settings.ts'
import { readTls } from './tls.ts'
import { watchUnused } from './unused.ts'

export interface Standalone {
  /** `http://127.0.0.1:8080` */
  address: string
  /** Takes no more connections and ends those that are idle; resolves when all replies are out. */
  close(): Promise<void>
}

/** A bare server around one handler, for a process without an API: HTTP/1.1, and 2 with a certificate. */
export async function listenStandalone(
  settings: HttpSettings & { portSetting?: string },
  handle: (request: IncomingMessage, reply: ServerResponse) => void,
): Promise<Standalone> {
  const { host, port } = settings
  const tls = await readTls(settings)
  const server = tls ? createSecureServer({ ...tls, allowHTTP1: true }) : createServer()
  const endUnused = watchUnused(server)
  // The compatible API of HTTP/2 is the same to the handler.
  server.on('request', handle as () => void)
  server.listen(port, host)
  await once(server, 'listening').catch((error) => {
    throw explainListening(error, settings)
  })
  const named = isIP(host) === 6 ? `[${host}]` : host
  return {
    address: `${tls ? 'https' : 'http'}://${named}:${(server.address() as AddressInfo).port}`,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      await endUnused()
      if ('closeIdleConnections' in server) server.closeIdleConnections()
      await closed
    },
  }
}
