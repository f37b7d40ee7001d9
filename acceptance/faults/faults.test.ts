import assert from 'node:assert/strict'
import { createHash, randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startCeph } from '../../engines/ceph.ts'
import { startDynamodb } from '../../engines/dynamodb.ts'
import { type Engine, engineFor } from '../../engines/engine.ts'
import { type KafkaEngine, startKafka } from '../../engines/kafka.ts'
import { type Proxy as DynamodbProxy, openProxy as openDynamodbProxy } from '../../engines/tests/dynamodb-proxy.ts'
import { openProxy as openS3Proxy, type Proxy as S3Proxy } from '../../engines/tests/s3-proxy.ts'
import { parseSettings } from '../../src/media/setting.ts'
import { kafkaAddressOf } from '../../src/queue/kafka-client.ts'
import { queueSettings } from '../../src/queue/settings.ts'
import { formOf, makeSample } from '../samples.ts'
import type { Target } from '../target.ts'
import { assertWhole } from '../whole.ts'
import { type Published, readTopic } from './topic.ts'

/**
 * One API and one worker, whose engines fail during uploads: what was acknowledged is processed once, and nobody is
 * restarted but the broker. `FAULT_SECONDS` is how long each fault lasts.
 */
const faultMs = Number(process.env.FAULT_SECONDS ?? 20) * 1_000
/** All of it is one user's, who gets no more than his share of the workers, on a machine that has other suites to do. */
const recoveryMs = 240_000
const sendersAtOnce = 3
const slowDown =
  '<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>'

interface Media {
  media_id: string
  status: string
}

describe('engines that fail during uploads', () => {
  let folder: string
  let engines: Engine[]
  let kafka: KafkaEngine
  let s3: S3Proxy
  let dynamodb: DynamodbProxy
  let api: Target
  let worker: Target
  let settings: Record<string, string>
  let samples: File[]
  /** By media, the SHA-256 of what was sent. */
  const acknowledged = new Map<string, string>()

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'faults-'))
    const [ceph, table, broker] = await Promise.all([
      engineFor('ceph', startCeph),
      engineFor('dynamodb', startDynamodb),
      // Its own: it is stopped.
      startKafka(),
    ])
    kafka = broker
    engines = [ceph, table, broker]
    s3 = await openS3Proxy(ceph.env.OBJECTS_S3_ENDPOINT ?? '')
    dynamodb = await openDynamodbProxy(table.env.METADATA_DYNAMODB_ENDPOINT ?? '')
    const through = { OBJECTS_S3_ENDPOINT: s3.address, METADATA_DYNAMODB_ENDPOINT: dynamodb.endpoint }
    // Read when they are loaded.
    process.env.ENGINES = JSON.stringify({ ...table.env, ...kafka.env, ...ceph.env, ...through })
    const { startTarget } = await import('../target.ts')
    const { engineSettings } = await import('../engines.ts')
    api = await startTarget({ role: 'serve', dataDir: folder })
    worker = await startTarget({
      role: 'worker',
      dataDir: folder,
      env: { WORKER_PORT: '0', WORKER_LEASE_SECONDS: '10' },
    })
    settings = await engineSettings(folder, { program: [], env: {} })
    samples = await Promise.all([makeSample('photo.jpg'), makeSample('song.mp3'), makeSample('clip.mp4')])
  })
  after(async () => {
    await Promise.all([api?.stop(), worker?.stop()])
    await Promise.all([s3?.close(), dynamodb?.close(), ...(engines ?? []).map((engine) => engine.stop())])
    await rm(folder, { recursive: true, force: true })
  })

  test('a broker that is down', async () => {
    await whileFailing(async () => {
      await kafka.stopBroker()
      return async () => await kafka.startBroker()
    })
  })

  test('S3 that answers 503 SlowDown, loses requests and cuts bodies', async () => {
    await whileFailing(async () => {
      let on = true
      let asked = 0
      let count = 0
      const every = (nth: number) => () => on && asked++ % 7 === nth && ++count > 0
      s3.spoil(every(0), { done: false, reply: { status: 503, body: slowDown } }, Number.POSITIVE_INFINITY)
      s3.spoil(every(3), { done: true, after: 100 }, Number.POSITIVE_INFINITY)
      s3.spoil(every(6), { done: false }, Number.POSITIVE_INFINITY)
      return async () => {
        on = false
        assert.ok(count > 10, `${count} requests were spoiled`)
      }
    })
  })

  test('DynamoDB that throttles and whose answers are lost', async () => {
    await whileFailing(async () => {
      let [asked, spoiled] = [0, 0]
      dynamodb.decide = () => {
        const fates = ['throttle', 'pass', 'lose answer', 'pass', 'pass', 'throttle', 'pass'] as const
        const fate = fates[asked++ % fates.length] ?? 'pass'
        if (fate !== 'pass') spoiled++
        return fate
      }
      return async () => {
        dynamodb.decide = () => 'pass'
        assert.ok(spoiled > 10, `${spoiled} requests were spoiled`)
      }
    })
  })

  test('the events topic has each event once, and one upload and one end of each media', async () => {
    const { client, topics } = await kafkaAddressOf(parseSettings(queueSettings, settings))
    const ends = (events: Published[]) => events.filter(({ type }) => type === 'media.processed').length
    const enough = (events: Published[]) => ends(events) >= acknowledged.size
    const events = await readTopic(client, { topic: topics.events, enough, limitMs: recoveryMs })
    assert.equal(new Set(events.map((one) => one.event_id)).size, events.length, 'an event is there twice')
    for (const type of ['media.uploaded', 'media.processed']) {
      const found = events.filter((one) => one.type === type).map((one) => one.media_id)
      assert.deepEqual(found.toSorted(), [...acknowledged.keys()].toSorted(), type)
    }
  })

  /** Uploads before, during and after a fault; then all of them are there, processed, and no other. @returns how many */
  async function whileFailing(begin: () => Promise<() => Promise<void>>): Promise<number> {
    const known = acknowledged.size
    const over = new AbortController()
    const senders = Array.from({ length: sendersAtOnce }, () => sendUntil(over.signal))
    await sleep(1_000)
    const end = await begin()
    const during = acknowledged.size
    await sleep(faultMs)
    const taken = acknowledged.size - during
    await end()
    await sleep(1_000)
    over.abort()
    await Promise.all(senders)
    const ended = Date.now()
    await allProcessed()
    const took = Math.round((Date.now() - ended) / 1_000)
    console.log(
      `${acknowledged.size - known} media taken, ${taken} of them during the fault; all processed ${took} s after it`,
    )
    return acknowledged.size - known
  }

  async function sendUntil(over: AbortSignal): Promise<void> {
    for (let n = 0; !over.aborted; n++) {
      const sample = samples[n % samples.length] as File
      // So that no two are alike; what follows the end of the file is the file's all the same.
      const bytes = Buffer.concat([Buffer.from(await sample.arrayBuffer()), Buffer.from(randomUUID())])
      const media_id = await upload(new File([bytes], sample.name))
      acknowledged.set(media_id, `sha256:${createHash('sha256').update(bytes).digest('hex')}`)
      await sleep(1_000)
    }
  }

  /** As a client does: again with its key, until it is told that it is there. */
  async function upload(file: File): Promise<string> {
    const headers = { 'idempotency-key': randomUUID() }
    const deadline = Date.now() + faultMs + recoveryMs
    let said = ''
    while (Date.now() < deadline) {
      const body = formOf({ title: 'A', file })
      const answer = await fetch(`${api.url}/api/media/upload`, { method: 'POST', body, headers })
      said = `${answer.status} ${await answer.text()}`
      if (answer.status === 201) return (JSON.parse(said.slice(4)) as Media).media_id
      // 409: the one before is still under way.
      assert.ok(answer.status >= 500 || answer.status === 409, said)
      await sleep(500)
    }
    assert.fail(`not taken: ${said}`)
  }

  async function allProcessed(): Promise<void> {
    const deadline = Date.now() + recoveryMs
    let left: Media[] = []
    do {
      await sleep(500)
      const all = await listed()
      assert.deepEqual(all.map((one) => one.media_id).toSorted(), [...acknowledged.keys()].toSorted())
      left = all.filter((one) => one.status !== 'processed')
      assert.deepEqual(
        left.filter((one) => one.status === 'failed'),
        [],
      )
    } while (left.length > 0 && Date.now() < deadline)
    assert.deepEqual(left, [], `after ${recoveryMs / 1_000} s`)
    for (const [media_id, checksum] of acknowledged) {
      assert.equal((await assertWhole(api.url, media_id)).checksum, checksum)
    }
  }

  async function listed(): Promise<Media[]> {
    const all: Media[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const after = cursor && `&cursor=${encodeURIComponent(cursor)}`
      const answer = await fetch(`${api.url}/api/media?limit=100${after}`)
      const page = (await answer.json()) as { items: Media[]; next_cursor: string | null }
      all.push(...page.items)
      cursor = page.next_cursor
    }
    return all
  }
})
