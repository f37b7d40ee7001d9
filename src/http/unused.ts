import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'

/**
 * Browsers connect in advance, and may never ask for anything. Node counts such a connection as a request under way, so
 * that closing would wait for it until its headers are overdue.
 * @returns ends those that have sent nothing
 */
export function watchUnused(server: EventEmitter): () => Promise<void> {
  const open = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  return async () => {
    // What has just arrived is read first.
    for (let turns = 0; turns < 2; turns++) await new Promise((resolve) => setImmediate(resolve))
    for (const socket of open) if (socket.bytesRead === 0) socket.destroy()
  }
}
