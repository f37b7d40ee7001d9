import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openStore } from '../embedded/store.ts'
import { systemChance, systemClock } from '../media/clock.ts'
import { codeOf, MediaError } from '../media/errors.ts'
import { silentLog } from '../media/log.ts'
import { openEmbeddedMetadata } from '../metadata/embedded.ts'
import { openFilesystemObjects } from '../objects/filesystem.ts'
import { openEmbeddedQueue } from '../queue/embedded.ts'
import { openFormDoor } from './form.ts'
import { type IntakePorts, openIntake } from './intake.ts'

/** The door over the real embedded engines, behind a bare HTTP server. */
export async function openKit({ formLimit = 300_000, change = (ports: IntakePorts) => ports } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'uploads-'))
  const store = await openStore({ path: join(folder, 'metadata.db') })
  const objects = await openFilesystemObjects({ root: join(folder, 'objects'), clock: systemClock })
  const metadata = openEmbeddedMetadata(store)
  const queue = openEmbeddedQueue(store, { clock: systemClock })
  const engines = { metadata, objects, queue, clock: systemClock, chance: systemChance, log: silentLog }
  const intake = openIntake(change({ ...engines, tempBucket: 'temp', formLimit }))
  const door = openFormDoor({ intake, formLimit, log: silentLog })

  const underWay = new Set<Promise<unknown>>()
  const server = createServer((req, res) => {
    const gone = new AbortController()
    res.once('close', () => gone.abort(new MediaError('upload_interrupted', 'the client went away')))
    const answer = door.receive({ headers: req.headers, body: req, user_id: 'ada', signal: gone.signal }).then(
      (record) => ({ status: 201, body: record }),
      (error) => ({ status: 400, body: { code: codeOf(error), detail: error.detail } }),
    )
    const task = answer.then(({ status, body }) => {
      res.writeHead(status, { connection: 'close' }).end(JSON.stringify(body))
      req.resume()
      underWay.delete(task)
    })
    underWay.add(task)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo

  /** Resolves when every connection is closed and every form answered. */
  async function quiet(): Promise<void> {
    const open = await new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)))
    if (open === 0 && underWay.size === 0) return
    await sleep(2)
    await quiet()
  }

  return {
    ...engines,
    folder,
    intake,
    door,
    port,
    url: `http://127.0.0.1:${port}/`,
    /** Everything that is kept: staged files, objects with their attributes, records. */
    kept: async () => {
      await quiet()
      const staged = await readdir(join(folder, 'objects/.staging'))
      const held = await readdir(join(folder, 'objects/temp')).catch(() => [])
      const { items } = await metadata.list({ user_id: 'ada', limit: 1000 })
      return { staged, held, records: items.map(({ media_id }) => media_id) }
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await Promise.all(underWay)
      await objects.close()
      await queue.close()
      await metadata.close()
      await store.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
export type Kit = Awaited<ReturnType<typeof openKit>>

export const nothing = { staged: [], held: [], records: [] }

/** The smallest picture there is, with as many bytes behind it as are wanted. */
export function gif(bytes = 43): Buffer {
  const picture = Buffer.from(
    '47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b',
    'hex',
  )
  return Buffer.concat([picture, Buffer.alloc(Math.max(0, bytes - picture.length), 7)])
}

export const boundary = 'edge-of-parts'
export const contentType = `multipart/form-data; boundary=${boundary}`

/** A part of a form, byte for byte as given. */
export function part(headers: string, body: string | Buffer): Buffer {
  return Buffer.concat([Buffer.from(`--${boundary}\r\n${headers}\r\n\r\n`), Buffer.from(body), Buffer.from('\r\n')])
}
export const titlePart = (title: string | Buffer) => part('Content-Disposition: form-data; name="title"', title)
export const filePart = (bytes: Buffer, attributes = 'filename="a.gif"') =>
  part(`Content-Disposition: form-data; name="file"; ${attributes}\r\nContent-Type: application/octet-stream`, bytes)
export const end = Buffer.from(`--${boundary}--\r\n`)
