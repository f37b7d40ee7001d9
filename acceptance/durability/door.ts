import { mkdirSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { openStore } from '../../src/embedded/store.ts'
import { systemChance, systemClock } from '../../src/media/clock.ts'
import { codeOf, MediaError } from '../../src/media/errors.ts'
import { silentLog } from '../../src/media/log.ts'
import { openEmbeddedMetadata } from '../../src/metadata/embedded.ts'
import { openFilesystemObjects } from '../../src/objects/filesystem.ts'
import { openEmbeddedQueue } from '../../src/queue/embedded.ts'
import { openFormDoor } from '../../src/uploads/form.ts'
import { openIntake } from '../../src/uploads/intake.ts'

/**
 * A program for the proofs and the bench: the form door over the embedded engines behind a bare HTTP server, and
 * nothing else that could sync. `node door.ts FOLDER [md5|off]` prints its port and pid, and its memory at `GET /`.
 */
const [folder = '', hashing = 'md5'] = process.argv.slice(2)
const formLimit = 200 * 1024 * 1024

mkdirSync(folder, { recursive: true })
const store = await openStore({ path: join(folder, 'metadata.db') })
const metadata = openEmbeddedMetadata(store)
const queue = openEmbeddedQueue(store, { clock: systemClock })
const objects = await openFilesystemObjects({
  root: join(folder, 'objects'),
  clock: systemClock,
  hashing: hashing === 'off' ? 'off' : 'md5',
})
const ports = { metadata, queue, objects, clock: systemClock, chance: systemChance, log: silentLog }
const intake = openIntake({ ...ports, tempBucket: 'temp', formLimit })
const door = openFormDoor({ intake, formLimit, log: silentLog })

const server = createServer((req, res) => {
  if (req.method === 'GET')
    return void res.end(JSON.stringify({ rss: process.memoryUsage().rss, cpu: process.cpuUsage() }))
  const gone = new AbortController()
  res.once('close', () => gone.abort(new MediaError('upload_interrupted', 'the client went away')))
  door.receive({ headers: req.headers, body: req, user_id: 'ada', signal: gone.signal }).then(
    (record) => res.writeHead(201).end(JSON.stringify(record)),
    (error) => {
      const code = codeOf(error)
      const status = ['storage_full', 'unavailable'].includes(code) ? 503 : 400
      res.writeHead(status, { connection: 'close' }).end(JSON.stringify({ code, message: String(error) }))
      req.resume()
    },
  )
})
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port, pid: process.pid })}\n`)
})
