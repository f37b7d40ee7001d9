import { setTimeout as sleep } from 'node:timers/promises'
import { type Line, openLine } from '../line.ts'

/** A line between client and service that counts what passes, and passes no more a second than a good line would. */
export interface Proxy extends Line {
  /** Bytes of requests that were handed on to the service, those included that it never read. */
  sent(): number
  /** Resolves when so many have been. */
  reached(bytes: number, signal: AbortSignal): Promise<void>
}

export async function openProxy({ port, rate }: { port: number; rate: number }): Promise<Proxy> {
  const gate = openGate(rate)
  let sent = 0
  const line = await openLine(port, (client, service) => {
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
  })
  return {
    ...line,
    sent: () => sent,
    reached: async (bytes, signal) => {
      while (sent < bytes && !signal.aborted) await sleep(5)
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
