import { execFile } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** Ports that must see nobody, and files that nobody must open. */
export interface Canaries {
  folder: string
  /** Of both families. */
  tcp: { v4: number; v6: number }
  udp: { v4: number; v6: number }
  /** Addresses of sockets: a path, and a name that is no file. */
  unix: string
  abstract: string
  /** A file that holds `words`. */
  secret: string
  /** A file that notices its reader, its name such as readers of playlists take: a named pipe, which then says `words` to him. */
  trap: string
  /** What must turn up nowhere. */
  words: string
  /** Who came, since the last question. */
  visits(): string[]
  close(): Promise<void>
}

export async function openCanaries(): Promise<Canaries> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'canaries-')))
  const seen: string[] = []
  const words = `canary-${process.pid}-${folder.slice(-6)}`
  const [secret, trap, unix] = [join(folder, 'secret.ts'), join(folder, 'trap.ts'), join(folder, 'socket')]
  const abstract = `\0${words}`
  await writeFile(secret, `${words}\n`)
  await promisify(execFile)('mkfifo', [trap])
  const watch = watchTrap(trap, words, () => seen.push('file'))
  const tcp4 = await listen(0, '127.0.0.1', () => seen.push('tcp'))
  const tcp6 = await listen(0, '::1', () => seen.push('tcp6'))
  const named = [
    await listen(unix, '', () => seen.push('unix')),
    await listen(abstract, '', () => seen.push('abstract')),
  ]
  const udp4 = await bind('udp4', '127.0.0.1', () => seen.push('udp'))
  const udp6 = await bind('udp6', '::1', () => seen.push('udp6'))
  return {
    folder,
    tcp: { v4: portOf(tcp4), v6: portOf(tcp6) },
    udp: { v4: udp4.address().port, v6: udp6.address().port },
    ...{ unix, abstract, secret, trap, words },
    visits: () => seen.splice(0),
    close: async () => {
      clearInterval(watch)
      for (const server of [tcp4, tcp6, ...named]) server.close()
      for (const socket of [udp4, udp6]) socket.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** A pipe can be opened for writing without waiting only while somebody has it open, or waits to, for reading. */
function watchTrap(path: string, words: string, onReader: () => void): NodeJS.Timeout {
  return setInterval(() => {
    try {
      const pipe = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
      onReader()
      writeSync(pipe, `${words}\n`)
      closeSync(pipe)
    } catch {
      // Nobody reads.
    }
  }, 20)
}

async function listen(where: number | string, host: string, onVisit: () => void): Promise<Server> {
  const server = createServer((socket) => {
    onVisit()
    socket.on('error', () => {})
    socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n')
  })
  if (typeof where === 'string') server.listen({ path: where })
  else server.listen(where, host)
  await once(server, 'listening')
  return server
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}

async function bind(type: 'udp4' | 'udp6', host: string, onVisit: () => void): Promise<Socket> {
  const socket = createSocket(type, onVisit)
  socket.bind(0, host)
  await once(socket, 'listening')
  return socket
}
