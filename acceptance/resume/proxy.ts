import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** A line between client and service that counts what passes, and passes no more a second than a good line would. */
export interface Proxy {
  url: string
  /** Bytes of requests that were handed on to the service, those included that it never read. */
  sent(): number
  /** Resolves when so many have been. */
  reached(bytes: number, signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

export async function openProxy({ port, rate }: { port: number; rate: number }): Promise<Proxy> {
  const sockets = new Set<Socket>()
  const gate = openGate(rate)
  let sent = 0

  function join(client: Socket): void {
    const service = connect({ host: '127.0.0.1', port })
    for (const socket of [client, service]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => {
        sockets.delete(socket)
        // A service that is killed, or not there yet, is a broken line to the client, and the other way round.
        client.destroy()
        service.destroy()
      })
    }
    service.pipe(client)
    client.on('data', async (bytes) => {
      client.pause()
      await gate(bytes.length)
      service.write(bytes, (error) => {
        if (error) return
        sent += bytes.length
        client.resume()
      })
    })
    client.once('end', () => service.end())
  }

  const server = createServer({ allowHalfOpen: true }, join).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sent: () => sent,
    reached: async (bytes, signal) => {
      while (sent < bytes && !signal.aborted) await sleep(5)
    },
    close: async () => {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}

/** Lets bytes through at a rate, in bytes a second; a pause is not made up for. */
function openGate(rate: number): (bytes: number) => Promise<void> {
  let free = 0
  return async (bytes) => {
    const now = performance.now()
    free = Math.max(free, now - 20) + (bytes / rate) * 1_000
    if (free > now) await sleep(free - now)
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
