import { execFile } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { formOf, makeSample, type Sample } from '../acceptance/samples.ts'
import { startTarget, type Target } from '../acceptance/target.ts'
import { startCeph } from '../engines/ceph.ts'
import { startDynamodb } from '../engines/dynamodb.ts'
import type { Engine } from '../engines/engine.ts'
import { startKafka } from '../engines/kafka.ts'

/**
 * What workers beside each other get done on Kafka, DynamoDB and S3: `node bench/workers.ts [MEDIA] [WORKERS…]`, 60 media
 * by one worker and then by two when not given. Each worker does one job at a time on one core, in turn, so that a
 * worker more is a core more. All media are uploaded before the first worker starts; its start counts.
 */
const run = promisify(execFile)
const main = join(import.meta.dirname, '../src/main.ts')
const limitMs = 600_000
const samples: Sample[] = ['photo.jpg', 'song.mp3', 'clip.mp4']

async function bench([media = '60', ...given]: string[]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-workers-'))
  const engines: Engine[] = []
  try {
    // Ceph last: its keys are checked; DynamoDB Local takes any.
    for (const start of [startKafka, startDynamodb, startCeph]) engines.push(await start())
    const env = Object.assign({}, ...engines.map((engine) => engine.env), await writeKeys(folder))
    const files = await Promise.all(samples.map(makeSample))
    let first: number | undefined
    for (const workers of given.length > 0 ? given.map(Number) : [1, 2]) {
      const seconds = await timeOf({ workers, media: Number(media), files, folder, env })
      first ??= seconds
      const rate = (Number(media) / seconds).toFixed(2)
      const beside = (first / seconds).toFixed(2)
      console.log(`${workers} workers: ${media} media in ${seconds.toFixed(1)} s, ${rate}/s, ${beside} × the first run`)
    }
    console.log(`on ${availableParallelism()} cores, which the API and the engines share`)
  } finally {
    await Promise.all(engines.map((engine) => engine.stop()))
    await rm(folder, { recursive: true, force: true })
  }
}

interface Run {
  workers: number
  media: number
  files: File[]
  folder: string
  env: Record<string, string>
}

async function timeOf({ workers, media, files, folder, env }: Run): Promise<number> {
  const dataDir = await mkdtemp(join(folder, 'data-'))
  const settings = { ...env, ...ownNames(), LOG_LEVEL: 'warn' }
  const { PATH = '', HOME = '' } = process.env
  await run(process.execPath, [main, 'setup'], { env: { PATH, HOME, ...settings }, timeout: 120_000 })
  const targets = [await startTarget({ role: 'serve', dataDir, env: settings })]
  try {
    const [api] = targets as [Target]
    const ids: string[] = []
    for (let at = 0; at < media; at++) ids.push(await upload(api.url, files[at % files.length] as File))
    const started = performance.now()
    const worker = { role: 'worker', dataDir, env: { ...settings, WORKER_PORT: '0', WORKER_CONCURRENCY: '1' } }
    targets.push(...(await Promise.all(Array.from({ length: workers }, () => startTarget(worker)))))
    const cores = availableParallelism()
    for (const [n, { pid }] of targets.slice(1).entries())
      await run('taskset', ['-acp', String(n % cores), String(pid)])
    await untilProcessed(api.url, ids)
    return (performance.now() - started) / 1000
  } finally {
    await Promise.all(targets.map((target) => target.stop()))
  }
}

/** So that no run finds another's media. */
function ownNames(): Record<string, string> {
  const name = `bench-${randomBytes(4).toString('hex')}`
  return {
    OBJECTS_TEMP_BUCKET: `${name}-temp`,
    OBJECTS_PROCESSED_BUCKET: `${name}-processed`,
    METADATA_DYNAMODB_TABLE: name,
    QUEUE_KAFKA_TOPIC_PREFIX: `${name}.`,
    QUEUE_KAFKA_GROUP: name,
  }
}

/** The processes share them. */
async function writeKeys(folder: string): Promise<Record<string, string>> {
  const keys = join(folder, 'keys')
  await mkdir(keys)
  const [upload, cdn] = [join(keys, 'upload-tokens.key'), join(keys, 'cdn-private.pem')]
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await writeFile(upload, randomBytes(32).toString('hex'), { mode: 0o600 })
  await writeFile(cdn, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  return { AUTH_UPLOAD_KEY_FILE: upload, CDN_PRIVATE_KEY_FILE: cdn }
}

async function upload(url: string, file: File): Promise<string> {
  const answer = await fetch(`${url}/api/media/upload`, { method: 'POST', body: formOf({ title: 'Bench', file }) })
  if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`)
  return ((await answer.json()) as { media_id: string }).media_id
}

async function untilProcessed(url: string, ids: string[]): Promise<void> {
  const deadline = performance.now() + limitMs
  for (const id of ids) {
    for (;;) {
      const { status } = (await (await fetch(`${url}/api/media/${id}`)).json()) as { status: string }
      if (status === 'processed') break
      if (status === 'failed') throw new Error(`${id} failed`)
      if (performance.now() > deadline) throw new Error(`${id} is still ${status} after ${limitMs / 1000} s`)
      await sleep(50)
    }
  }
}

await bench(process.argv.slice(2))
