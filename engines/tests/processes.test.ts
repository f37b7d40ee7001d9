import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { formOf, makeSample } from '../../acceptance/samples.ts'
import { inherited, startTarget, type Target } from '../../acceptance/target.ts'
import { startCeph } from '../ceph.ts'
import { startDynamodb } from '../dynamodb.ts'
import { type Engine, engineFor } from '../engine.ts'
import { startSqs } from '../sqs.ts'

/** Several processes on engines that they share: two APIs, and workers that come and go. */

const run = promisify(execFile)
const main = join(import.meta.dirname, '../../src/main.ts')

async function startEngines(): Promise<Engine[]> {
  return [
    await engineFor('sqs', startSqs),
    await engineFor('dynamodb', startDynamodb),
    // Its keys are checked; the others take any.
    await engineFor('ceph', startCeph),
  ]
}

/** Names of this run's own, so that it can share engines with others. */
function ownNames(env: Record<string, string>): Record<string, string> {
  const own = randomUUID().slice(0, 8)
  const urls = Object.entries(env).filter(([name]) => /^QUEUE_SQS_.*URL$/.test(name))
  return {
    ...env,
    ...Object.fromEntries(urls.map(([name, url]) => [name, `${url}-${own}`])),
    METADATA_DYNAMODB_TABLE: `processes-${own}`,
    OBJECTS_TEMP_BUCKET: `temp-${own}`,
    OBJECTS_PROCESSED_BUCKET: `processed-${own}`,
  }
}

/** As README.md says. */
async function makeKeys(folder: string): Promise<Record<string, string>> {
  const [upload, cdn] = [join(folder, 'upload-tokens.key'), join(folder, 'cdn-private.pem')]
  await run('openssl', ['rand', '-out', upload, '32'])
  await run('openssl', ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', cdn])
  return { AUTH_UPLOAD_KEY_FILE: upload, CDN_PRIVATE_KEY_FILE: cdn }
}

async function film(folder: string, seconds: number, size = '1280x720'): Promise<File> {
  const path = join(folder, 'film.mkv')
  const source = `testsrc2=size=${size}:rate=25:duration=${seconds}`
  await run('ffmpeg', [
    '-v',
    'error',
    '-y',
    '-f',
    'lavfi',
    '-i',
    source,
    '-c:v',
    'libx264',
    '-preset',
    'ultrafast',
    '-g',
    '25',
    path,
  ])
  return new File([await readFile(path)], 'film.mkv')
}

/** Segments of films whose making a worker has logged as done. */
function segmentsDone(worker: Target): string[] {
  const lines = worker.said().matchAll(/"job_id":"([^"]+\.segment\.\d+\.\d+)"[^\n]*"msg":"job done"/g)
  return [...lines].map(([, job_id]) => job_id ?? '')
}

describe('processes on shared engines', () => {
  let folder: string
  let engines: Engine[] = []
  let env: Record<string, string>
  let first: Target
  let second: Target
  const start = (role: string, more: Record<string, string> = {}) =>
    // One folder for all of them, as on one machine.
    startTarget({ role, dataDir: join(folder, 'data'), env: { ...env, LOG_LEVEL: 'info', ...more } })
  const startWorker = (more = {}) => start('worker', { WORKER_PORT: '0', WORKER_LEASE_SECONDS: '5', ...more })

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'processes-'))
    engines = await startEngines()
    const settings = ownNames(Object.assign({}, ...engines.map((engine) => engine.env)))
    env = { ...settings, ...(await makeKeys(folder)) }
    for (const time of ['first', 'second']) {
      const options = { env: { ...inherited, ...env }, timeout: 120_000 }
      const { stdout } = await run(process.execPath, [main, 'setup'], options)
      assert.match(stdout, /^objects: [\s\S]*^metadata: [\s\S]*^queue: /m, time)
    }
    first = await start('serve')
    second = await start('serve')
  })
  after(async () => {
    await Promise.all([first?.stop(), second?.stop()])
    await Promise.all(engines.map((engine) => engine.stop()))
    await rm(folder, { recursive: true, force: true })
  })

  async function upload(file: File): Promise<string> {
    const answer = await fetch(`${first.url}/api/media/upload`, {
      method: 'POST',
      body: formOf({ title: 'One', file }),
    })
    assert.equal(answer.status, 201, await answer.clone().text())
    return ((await answer.json()) as { media_id: string }).media_id
  }

  async function driversOf({ url }: Target): Promise<object> {
    return ((await (await fetch(`${url}/readyz`)).json()) as { drivers: object }).drivers
  }

  async function recordOf(media_id: string): Promise<{ status: string; attempts: number; progress: number }> {
    return (await (await fetch(`${second.url}/api/media/${media_id}`)).json()) as never
  }

  async function untilStatus(media_id: string, status: string, limitMs = 60_000): Promise<void> {
    const deadline = Date.now() + limitMs
    let found = ''
    while (found !== status) {
      if (Date.now() > deadline) assert.fail(`${media_id} is ${found}, not ${status}`)
      found = (await recordOf(media_id)).status
      await sleep(100)
    }
  }

  test('what one API takes, a worker processes and another API delivers; each tells of itself', async () => {
    const worker = await startWorker()
    try {
      const media_id = await upload(await makeSample('photo.jpg'))
      await untilStatus(media_id, 'processed')
      const file = await fetch(`${second.url}/api/media/download/${media_id}`)
      assert.deepEqual([file.status, file.headers.get('content-type')], [200, 'image/jpeg'])
      const drivers = { metadata: 'dynamodb', queue: 'sqs', objects: 's3', cdn: 'edge' }
      assert.deepEqual(await driversOf(first), drivers)
      assert.deepEqual(await driversOf(worker), { ...drivers, sandbox: 'bwrap' })
      const figures = await (await fetch(`${worker.url}/metrics`)).text()
      assert.match(figures, /^media_jobs_total\{kind="process",outcome="done"\} 1$/m)
      assert.match(figures, /^media_queue_depth\{lane="tasks"\} \d+$/m)
      assert.match(await (await fetch(`${first.url}/metrics`)).text(), /^media_queue_depth/m)
    } finally {
      assert.equal(await worker.stop(), 0)
    }
  })

  test('a worker that is told to stop hands its film back, and another goes on at once', async () => {
    const leaving = await startWorker({ WORKER_STOP_SECONDS: '0', WORKER_LEASE_SECONDS: '600' })
    const media_id = await upload(await film(folder, 15))
    await untilStatus(media_id, 'processing')
    assert.equal(await leaving.stop(), 0)
    const other = await startWorker()
    try {
      await untilStatus(media_id, 'processed', 90_000)
      assert.equal((await recordOf(media_id)).attempts, 1)
    } finally {
      await other.stop()
    }
  })

  test('a film is made in segments by all workers; one that is killed costs the segment it was making', async () => {
    const env = { VIDEO_SEGMENT_SECONDS: '4', VIDEO_PRESET: 'ultrafast', WORKER_CONCURRENCY: '1' }
    const workers = [await startWorker(env), await startWorker(env)] as const
    try {
      const media_id = await upload(await film(folder, 40, '1312x320'))
      const deadline = Date.now() + 240_000
      // Both work on one when each has made some and not all are made.
      while (!workers.every((worker) => segmentsDone(worker).length > 0)) {
        if (Date.now() > deadline) assert.fail('no segments')
        await sleep(50)
      }
      await workers[0].kill()
      assert.equal((await recordOf(media_id)).status, 'processing')
      await untilStatus(media_id, 'processed', 240_000)
      const done = workers.flatMap(segmentsDone)
      assert.equal(new Set(done).size, done.length, 'a segment was made twice')
      // The killed one may not have told of its last.
      assert.ok(done.length >= 9, `${done.length} segments`)
      assert.equal((await recordOf(media_id)).attempts, 1)
    } finally {
      await Promise.all(workers.map((worker) => worker.kill()))
    }
  })

  test('an upload whose sender is half gone goes on at another API within seconds', async () => {
    const bytes = Buffer.from(await (await makeSample('photo.jpg')).arrayBuffer())
    const tus = { 'tus-resumable': '1.0.0' }
    const begun = await fetch(`${first.url}/api/media/upload/tus`, {
      method: 'POST',
      headers: { ...tus, 'upload-length': String(bytes.length), 'upload-metadata': 'filename cGhvdG8uanBn' },
    })
    assert.equal(begun.status, 201)
    const path = new URL(begun.headers.get('location') ?? '', first.url).pathname
    const headers = { ...tus, 'content-type': 'application/offset+octet-stream', 'upload-offset': '0' }
    // Half comes, then neither a byte nor an end.
    const stuck = request(`${first.url}${path}`, {
      method: 'PATCH',
      headers: { ...headers, 'content-length': bytes.length },
    })
    stuck.on('error', () => {}).write(bytes.subarray(0, 5_000))
    await sleep(2_000)
    const asked = Date.now()
    const head = await fetch(`${second.url}${path}`, { method: 'HEAD', headers: tus })
    const offset = Number(head.headers.get('upload-offset'))
    assert.ok(Date.now() - asked < 10_000, `${Date.now() - asked} ms`)
    assert.deepEqual([head.status, offset], [200, 5_000])
    const rest = await fetch(`${second.url}${path}`, {
      method: 'PATCH',
      headers: { ...headers, 'upload-offset': String(offset) },
      body: bytes.subarray(offset),
    })
    assert.equal(rest.status, 204)
    stuck.destroy()
    const worker = await startWorker()
    try {
      await untilStatus(path.split('/').at(-1) ?? '', 'processed')
    } finally {
      await worker.stop()
    }
  })

  test('what a killed process had under way is cleared away by the next on its machine', async () => {
    const killed = await startWorker()
    const folderOf = async (pid: number) =>
      (await readdir(join(folder, 'data', 'processes'))).find((name) => name.split('.')[1] === String(pid))
    const name = await folderOf(killed.pid)
    assert.ok(name)
    await writeFile(join(folder, 'data', 'processes', name, 'left'), 'x')
    await killed.kill()
    const next = await startWorker()
    assert.equal(await folderOf(killed.pid), undefined)
    assert.ok(await folderOf(next.pid))
    assert.equal(await next.stop(), 0)
    assert.equal(await folderOf(next.pid), undefined)
  })
})
