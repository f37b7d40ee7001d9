import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { openEdge } from '../src/delivery/edge.ts'
import { openSigner, openVerifier } from '../src/delivery/signer.ts'
import { systemClock } from '../src/media/clock.ts'
import { silentLog } from '../src/media/log.ts'
import { openFilesystemObjects } from '../src/objects/filesystem.ts'

/**
 * The served side of `bench/edge.ts`: `node bench/edge-server.ts {folder} edge|bare {ec|rsa} {files}`.
 * Stores files, listens, writes the addresses to `{folder}/urls.json` and says `ready`.
 * `bare` is the limit: Node's server with the same bytes from memory, and the large file by `pipe`.
 */

const smallBytes = 20 * 1024
const largeBytes = 256 * 1024 * 1024
const signaturesEach = 10

async function main([folder = '', kind = 'edge', algorithm = 'ec', files = '1000']: string[]): Promise<void> {
  const objects = await openFilesystemObjects({ root: join(folder, 'objects'), clock: systemClock })
  const bucket = 'processed-bucket'
  const keys = Array.from({ length: Number(files) }, (_, index) => `media-${index}/v1/thumbnail.jpg`)
  const large = 'large/v1/720p.mp4'
  for (const key of keys) await store(key, [randomBytes(smallBytes)])
  await store(
    large,
    Array.from({ length: 256 }, () => randomBytes(largeBytes / 256)),
  )

  async function store(key: string, pieces: Buffer[]): Promise<void> {
    const staged = await objects.stage(
      (async function* () {
        yield* pieces
      })(),
    )
    await staged.commit({ bucket, key }, { content_type: 'application/octet-stream' })
  }

  const pair =
    algorithm === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const bytes = randomBytes(smallBytes)
  const bare: RequestListener = (request, reply) => {
    const size = request.url?.includes('/large/') ? largeBytes : smallBytes
    reply.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': size })
    if (size === smallBytes) reply.end(bytes)
    else void pipeline(createReadStream(join(folder, 'objects', bucket, large)), reply)
  }
  const server = createServer(kind === 'bare' ? bare : (request, reply) => void edge.handle(request, reply))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/cdn`
  const edge = openEdge({
    objects,
    bucket,
    verifier: openVerifier(new Map([['KBENCH', pair.publicKey]])),
    clock: systemClock,
    log: silentLog,
    basePath: '/cdn',
    publicBaseUrl: base,
    problemOf: () => ({ status: 500 }),
    // As the service asks the records: a hop to another thread.
    isDeleted: async () => await new Promise((resolve) => setImmediate(() => resolve(false))),
  })
  const signer = openSigner({ keyPairId: 'KBENCH', privateKey: pair.privateKey })
  const now = Math.floor(systemClock.now() / 1000)
  const sign = (key: string, turn: number) => signer.signUrl(`${base}/${key}`, { expires: now + 3600 + turn })
  const signed = (from: number) =>
    Array.from({ length: signaturesEach }, (_, turn) => keys.map((key) => sign(key, from + turn))).flat()
  const [small, warm] = [signed(0), signed(signaturesEach)]
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'urls.json'), JSON.stringify({ small, warm, large: sign(large, 0) }))
  process.stdout.write('ready\n')
}

await main(process.argv.slice(2))
