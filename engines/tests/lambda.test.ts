import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { MSKEvent, MSKRecord, SelfManagedKafkaEvent, SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda'
import { freePort } from '../../acceptance/ports.ts'
import { formOf, makeSample } from '../../acceptance/samples.ts'
import { inherited, startTarget, type Target } from '../../acceptance/target.ts'
import { startCeph } from '../ceph.ts'
import { startDynamodb } from '../dynamodb.ts'
import { type Engine, engineFor } from '../engine.ts'
import { startSqs } from '../sqs.ts'

/** The handlers in a process of their own, as Lambda's runtime runs them, on real engines. */

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const minutes = 60_000

interface Answer {
  result?: unknown
  error?: string
}

interface Running {
  invoke(event: unknown, limitMs?: number): Promise<Answer>
  said(): string
  end(): Promise<void>
}

function startFunction(module: 'sqs' | 'kafka', env: Record<string, string>): Running {
  const host = [join(import.meta.dirname, 'lambda-host.ts'), join(root, `src/lambda/${module}.ts`)]
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...host], {
    env: { ...inherited, LOG_LEVEL: 'info', ...env },
    stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
  })
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk
  })
  child.stdin?.on('error', () => {})
  const over = once(child, 'close')
  const answers = createInterface({ input: child.stdio[3] as Readable })[Symbol.asyncIterator]()
  return {
    invoke: async (event, limitMs = 2 * minutes) => {
      child.stdin?.write(`${JSON.stringify({ event, limitMs })}\n`)
      const { value, done } = await answers.next()
      assert.ok(!done, `the function was cut off:\n${said}`)
      return JSON.parse(value) as Answer
    },
    said: () => said,
    end: async () => {
      child.kill('SIGKILL')
      await over
    },
  }
}

/** As SQS gives it: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html */
function sqsEvent(...bodies: string[]): SQSEvent {
  const Records = bodies.map((body, n): SQSRecord => {
    const attributes = {
      ApproximateReceiveCount: '1',
      SentTimestamp: '1545082649183',
      SenderId: 'AIDAIENQZJOLO23YVJ4VO',
      ApproximateFirstReceiveTimestamp: '1545082649185',
    }
    const at = { eventSource: 'aws:sqs', eventSourceARN: 'arn:aws:sqs:us-east-2:123456789012:media-tasks' }
    const message = { messageId: `message-${n}`, receiptHandle: 'AQEB', md5OfBody: 'e4e6', awsRegion: 'us-east-2' }
    return { ...message, ...at, body, attributes, messageAttributes: {} }
  })
  return { Records }
}

/** As MSK gives it: https://docs.aws.amazon.com/lambda/latest/dg/with-msk.html */
function mskEvent(...values: string[]): MSKEvent {
  const records = values.map((text, offset): MSKRecord => {
    const value = Buffer.from(text).toString('base64')
    const when = { timestamp: 1545084650987, timestampType: 'CREATE_TIME' } as const
    return { topic: 'media.tasks', partition: 0, offset, ...when, key: 'YWJj', value, headers: [] }
  })
  const eventSourceArn = 'arn:aws:kafka:us-east-1:123456789012:cluster/vpc/uuid'
  return {
    eventSource: 'aws:kafka',
    eventSourceArn,
    bootstrapServers: 'b-1:9094',
    records: { 'media.tasks-0': records },
  }
}

const wakeUpOf = (media_id: string) => JSON.stringify({ job_id: `${media_id}.process` })
const failures = ({ result }: Answer) =>
  (result as SQSBatchResponse).batchItemFailures.map(({ itemIdentifier }) => itemIdentifier)

describe('lambda', () => {
  let folder: string
  let engines: Engine[] = []
  let env: Record<string, string>
  let api: Target
  const functions: Running[] = []
  const start = (module: 'sqs' | 'kafka', more: Record<string, string> = {}) => {
    const own = { DATA_DIR: join(folder, randomUUID()), SANDBOX: 'weak' }
    const running = startFunction(module, { ...env, ...own, ...more })
    functions.push(running)
    return running
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambda-'))
    // Ceph checks its keys; the others take any.
    for (const [name, open] of [
      ['sqs', startSqs],
      ['dynamodb', startDynamodb],
      ['ceph', startCeph],
    ] as const) {
      engines.push(await engineFor(name, open))
    }
    const keys = { AUTH_UPLOAD_KEY_FILE: join(folder, 'upload.key'), CDN_PRIVATE_KEY_FILE: join(folder, 'cdn.pem') }
    await run('openssl', ['rand', '-out', keys.AUTH_UPLOAD_KEY_FILE, '32'])
    const curve = ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256']
    await run('openssl', ['genpkey', ...curve, '-out', keys.CDN_PRIVATE_KEY_FILE])
    env = { ...ownNames(Object.assign({}, ...engines.map((engine) => engine.env))), ...keys }
    const options = { env: { ...inherited, ...env, DATA_DIR: join(folder, 'setup') }, timeout: 2 * minutes }
    await run(process.execPath, [join(root, 'src/main.ts'), 'setup'], options)
    api = await startTarget({ role: 'serve', env })
  })
  after(async () => {
    await Promise.all(functions.map((one) => one.end()))
    await api?.stop()
    await Promise.all(engines.map((engine) => engine.stop()))
    engines = []
    await rm(folder, { recursive: true, force: true })
  })

  async function upload(file: File, to = api): Promise<string> {
    const body = formOf({ title: 'One', file })
    const answer = await fetch(`${to.url}/api/media/upload`, { method: 'POST', body })
    assert.equal(answer.status, 201, await answer.clone().text())
    return ((await answer.json()) as { media_id: string }).media_id
  }

  async function recordOf(media_id: string): Promise<{ status: string; attempts: number }> {
    return (await (await fetch(`${api.url}/api/media/${media_id}`)).json()) as never
  }

  /** A film of few megabytes which must be encoded anew. */
  async function film(seconds: number): Promise<File> {
    const path = join(folder, `${randomUUID()}.mkv`)
    const source = ['-f', 'lavfi', '-i', `testsrc2=size=1280x720:rate=25:duration=${seconds}`]
    await run('ffmpeg', ['-v', 'error', ...source, '-c:v', 'mpeg4', '-q:v', '31', path])
    return new File([await readFile(path)], 'film.mkv')
  }

  async function processedByWorker(media_id: string): Promise<void> {
    const worker = await startTarget({ role: 'worker', env: { ...env, WORKER_PORT: '0' } })
    try {
      for (let tries = 0; (await recordOf(media_id)).status !== 'processed'; tries++) {
        assert.ok(tries < 900, `${media_id} is ${(await recordOf(media_id)).status}:\n${worker.said()}`)
        await sleep(100)
      }
    } finally {
      await worker.stop()
    }
  }

  test('a batch from SQS: what is done is done, and only what is no wake-up is told to have failed', async () => {
    const media = [await upload(await makeSample('photo.jpg')), await upload(await makeSample('clip.mp4'))]
    const [photo = '', clip = ''] = media
    const lambda = start('sqs')
    const gone = wakeUpOf(randomUUID())
    const event = sqsEvent(wakeUpOf(photo), 'no wake-up', wakeUpOf(clip), wakeUpOf(photo), gone)
    assert.deepEqual(failures(await lambda.invoke(event)), ['message-1'])
    for (const media_id of media) assert.equal((await recordOf(media_id)).status, 'processed', lambda.said())
    // The same container, once more.
    const third = await upload(await makeSample('song.mp3'))
    assert.deepEqual(failures(await lambda.invoke(sqsEvent(wakeUpOf(third)))), [])
    assert.equal((await recordOf(third)).status, 'processed', lambda.said())
  })

  test('a job is in the trace of its upload, and told before the invocation ends', async () => {
    const names = new Map<string, string[]>()
    const collector = createServer(async (request, reply) => {
      const { resourceSpans } = JSON.parse((await request.toArray()).join('')) as any
      for (const { name, traceId } of resourceSpans[0].scopeSpans[0].spans)
        names.set(traceId, [...(names.get(traceId) ?? []), name])
      reply.end('{}')
    }).listen(0, '127.0.0.1')
    await once(collector, 'listening')
    const traces = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}` }
    const traced = await startTarget({ role: 'serve', env: { ...env, ...traces } })
    try {
      const media_id = await upload(await makeSample('photo.jpg'), traced)
      assert.deepEqual(failures(await start('sqs', traces).invoke(sqsEvent(wakeUpOf(media_id)))), [])
      // Its process is frozen now: nothing comes later.
      const found = [...names.values()]
      assert.deepEqual(
        found.find((all) => all.includes('job process'))?.filter((name) => !name.startsWith('POST')),
        ['wait', 'fetch', 'gates', 'run node', 'make', 'gates', 'store', 'job process'],
      )
      assert.ok(found.some((all) => all.join() === 'invocation'))
    } finally {
      await traced.stop()
      collector.close()
    }
  })

  test('a batch from Kafka: what is no wake-up keeps nothing back', async () => {
    const media_id = await upload(await makeSample('photo.jpg'))
    const lambda = start('kafka')
    const event = mskEvent('\u0000\u0001', wakeUpOf(randomUUID()), wakeUpOf(media_id))
    assert.deepEqual(await lambda.invoke(event), { result: null })
    assert.equal((await recordOf(media_id)).status, 'processed', lambda.said())
    const { records, bootstrapServers } = mskEvent(wakeUpOf(media_id))
    const own: SelfManagedKafkaEvent = { eventSource: 'SelfManagedKafka', bootstrapServers, records }
    assert.deepEqual(await lambda.invoke(own), { result: null })
  })

  test('what would not fit is forwarded unbegun, and done by a worker of the long lane', async () => {
    const media_id = await upload(await film(20))
    const lambda = start('sqs')
    // Opened before its time counts.
    assert.deepEqual(failures(await lambda.invoke(sqsEvent())), [])
    assert.deepEqual(failures(await lambda.invoke(sqsEvent(wakeUpOf(media_id)), 15_300)), [])
    assert.match(lambda.said(), /job forwarded/)
    assert.deepEqual([(await recordOf(media_id)).status, (await recordOf(media_id)).attempts], ['uploaded', 0])
    await processedByWorker(media_id)
  })

  test('what is not done in time is handed back before the end, and done by a worker of the long lane', async () => {
    const media_id = await upload(await film(60))
    const limitMs = 28_000
    const lambda = start('sqs', { VIDEO_PRESET: 'slow', WORKER_LEASE_SECONDS: '600' })
    assert.deepEqual(failures(await lambda.invoke(sqsEvent())), [])
    assert.deepEqual(failures(await lambda.invoke(sqsEvent(wakeUpOf(media_id)), limitMs)), [])
    assert.match(lambda.said(), /job handed back/)
    await processedByWorker(media_id)
    assert.equal((await recordOf(media_id)).attempts, 1)
  })

  test('a function that never has time enough sends nothing round, and says so', async () => {
    const media_id = await upload(await makeSample('photo.jpg'))
    const lambda = start('sqs')
    assert.deepEqual(failures(await lambda.invoke(sqsEvent())), [])
    const twice = sqsEvent(wakeUpOf(media_id), wakeUpOf(media_id))
    assert.deepEqual(failures(await lambda.invoke(twice, 12_000)), [])
    assert.match(lambda.said(), /give it at least a minute/)
    assert.equal((await recordOf(media_id)).status, 'uploaded')
  })

  test('while the metadata cannot be reached, a batch is not lost', async () => {
    const nowhere = { METADATA_DYNAMODB_ENDPOINT: `http://127.0.0.1:${await freePort()}` }
    const media_id = await upload(await makeSample('photo.jpg'))
    const [sqs, kafka] = [start('sqs', nowhere), start('kafka', nowhere)]
    const fromSqs = await sqs.invoke(sqsEvent(wakeUpOf(media_id)))
    assert.ok(fromSqs.error !== undefined || failures(fromSqs).length === 1, JSON.stringify(fromSqs))
    assert.ok((await kafka.invoke(mskEvent(wakeUpOf(media_id)))).error)
  })

  test('settings that do not go with Lambda are named', async () => {
    const { error: open } = await start('sqs', { SANDBOX: 'auto' }).invoke(sqsEvent())
    assert.match(open ?? '', /set SANDBOX=weak/)
    const alone = { METADATA_DRIVER: 'embedded', QUEUE_DRIVER: 'embedded', OBJECTS_DRIVER: 'filesystem' }
    const { error: lonely } = await start('sqs', alone).invoke(sqsEvent())
    assert.match(lonely ?? '', /set METADATA_DRIVER, QUEUE_DRIVER, OBJECTS_DRIVER/)
  })
})

/** Names of this run's own, so that it can share engines with others. */
function ownNames(env: Record<string, string>): Record<string, string> {
  const own = randomUUID().slice(0, 8)
  const urls = Object.entries(env).filter(([name]) => /^QUEUE_SQS_.*URL$/.test(name))
  return {
    ...env,
    ...Object.fromEntries(urls.map(([name, url]) => [name, `${url}-${own}`])),
    METADATA_DYNAMODB_TABLE: `lambda-${own}`,
    OBJECTS_TEMP_BUCKET: `temp-${own}`,
    OBJECTS_PROCESSED_BUCKET: `processed-${own}`,
  }
}
