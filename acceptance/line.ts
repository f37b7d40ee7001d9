import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A line between client and service: what it does with the bytes is up to who lays it. */
export interface Line {
  url: string
  close(): Promise<void>
}

/** @param carry is given both ends of each connection; when one end closes, so does the other */
export async function openLine(port: number, carry: (client: Socket, service: Socket) => void): Promise<Line> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (client) => {
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
    carry(client, service)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}
