import type { ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import type { Clock } from '../media/clock.ts'
import type { App } from './deps.ts'

/** Milliseconds that an HTTP/2 session without a stream may take to say goodbye. */
const goodbyeTime = 1_000

interface Open {
  socket: Socket
  streams: number
}

/**
 * Ends HTTP/2 sessions that Node leaves behind. A peer that resets its connection while it is refused a body is at times
 * never noticed (seen on Node 24.21): such a session stays for ever, survives its own `close()`, and holds up the stop.
 */
export function endSessions(app: App, clock: Clock): void {
  const all = new Set<Open>()
  const endIdle = () => {
    for (const { socket, streams } of all) if (streams === 0) socket.destroy()
  }
  let newest: Socket | undefined
  app.server.prependListener('secureConnection', (socket: Socket) => {
    newest = socket
  })
  app.server.on('session', (session: ServerHttp2Session) => {
    // Node makes the session of a connection within the event that announces it.
    if (!newest) return
    const open: Open = { socket: newest, streams: 0 }
    all.add(open)
    session.on('stream', (stream) => {
      open.streams += 1
      stream.once('close', () => {
        open.streams -= 1
      })
    })
    session.once('close', () => all.delete(open))
    // Fastify closes a silent session kindly at the same event.
    session.on('timeout', () => void clock.sleep(goodbyeTime).then(() => open.streams === 0 && open.socket.destroy()))
  })
  app.addHook('preClose', async () => {
    void (async () => {
      while (app.server.listening || all.size > 0) {
        await clock.sleep(goodbyeTime)
        endIdle()
      }
    })()
  })
}
