import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startCeph } from '../../engines/ceph.ts'
import { startDynamodb } from '../../engines/dynamodb.ts'
import { type Engine, engineFor } from '../../engines/engine.ts'
import { type KafkaEngine, startKafka } from '../../engines/kafka.ts'
import { parseSettings } from '../../src/media/setting.ts'
import { kafkaAddressOf } from '../../src/queue/kafka-client.ts'
import { queueSettings } from '../../src/queue/settings.ts'
import { type Published, readTopic } from '../faults/topic.ts'
import type { Target } from '../target.ts'
import { assertWhole } from '../whole.ts'

/**
 * One API and three workers on Kafka, DynamoDB and S3; two workers are killed on the way, and the broker once.
 * `SCALE_MEDIA` says how many media, 120 when not given.
 */
const count = Number(process.env.SCALE_MEDIA ?? 120)
const sendersAtOnce = 4
const limitMs = 240_000

/** Small, and of all kinds: what counts here is what becomes of each. */
const samples: Record<string, string> = {
  'photo.jpg': '-f lavfi -i testsrc2=size=320x240 -frames:v 1',
  'drawing.png': '-f lavfi -i testsrc2=size=200x200 -frames:v 1',
  'song.mp3': '-f lavfi -i sine=frequency=440:duration=1 -c:a libmp3lame',
  'clip.mp4': '-f lavfi -i testsrc2=size=160x90:rate=10:duration=1 -c:v libx264 -preset ultrafast -pix_fmt yuv420p',
}
/** Of ten media. */
const mix = [
  'photo.jpg',
  'drawing.png',
  'photo.jpg',
  'photo.jpg',
  'song.mp3',
  'photo.jpg',
  'drawing.png',
  'photo.jpg',
  'clip.mp4',
  'photo.jpg',
]

describe(`${count} media on three workers`, () => {
  let folder: string
  let engines: Engine[]
  let kafka: KafkaEngine
  let api: Target
  let workers: Target[]
  let startTarget: typeof import('../target.ts').startTarget
  let engineSettings: typeof import('../engines.ts').engineSettings

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'scale-'))
    // The broker is this test's own: it is stopped on the way.
    const [ceph, dynamodb, broker] = await Promise.all([
      engineFor('ceph', startCeph),
      engineFor('dynamodb', startDynamodb),
      startKafka(),
    ])
    kafka = broker
    engines = [ceph, dynamodb, broker]
    process.env.ENGINES = JSON.stringify({ ...dynamodb.env, ...kafka.env, ...ceph.env })
    ;({ startTarget } = await import('../target.ts'))
    ;({ engineSettings } = await import('../engines.ts'))
    api = await startTarget({ role: 'serve', dataDir: folder })
    const worker = () =>
      startTarget({ role: 'worker', dataDir: folder, env: { WORKER_PORT: '0', WORKER_LEASE_SECONDS: '10' } })
    workers = await Promise.all([worker(), worker(), worker()])
  })
  after(async () => {
    await Promise.all([api, ...(workers ?? [])].map((target) => target?.kill()))
    await Promise.all((engines ?? []).map((engine) => engine.stop()))
    await rm(folder, { recursive: true, force: true })
  })

  test('each is processed once, whoever dies', { timeout: limitMs + 60_000 }, async (t) => {
    const started = Date.now()
    const files = await makeFiles(folder)
    const sent: string[] = []
    const numbers = Array.from({ length: count }, (_, n) => n).values()
    const senders = Array.from({ length: sendersAtOnce }, async () => {
      for (const n of numbers) sent.push(await upload(n))
    })
    const disturbing = disturb()
    await Promise.all(senders)
    await disturbing
    const uploaded = Date.now()
    await allProcessed(sent)
    const seconds = (Date.now() - started) / 1_000
    for (const id of sent) await assertWhole(api.url, id)
    const published = await eventsOf(sent)
    t.diagnostic(
      `${count} media in ${seconds.toFixed(0)} s, the last ${((Date.now() - uploaded) / 1_000).toFixed(0)} s after all were sent; ${published} events published`,
    )

    async function upload(n: number): Promise<string> {
      const name = mix[n % mix.length] ?? ''
      for (;;) {
        const body = new FormData()
        body.append('title', `${n} ${name}`)
        body.append('file', new File([files.get(name) as Uint8Array<ArrayBuffer>], name))
        const response = await fetch(`${api.url}/api/media/upload`, { method: 'POST', body })
        const record = (await response.json()) as { media_id: string }
        if (response.status === 201) return record.media_id
        assert.ok(response.status >= 500, `${response.status} ${JSON.stringify(record)}`)
        await sleep(500)
      }
    }

    async function disturb(): Promise<void> {
      const at = async (share: number) => {
        while (sent.length < count * share) await sleep(50)
      }
      await at(0.2)
      await workers[0]?.kill()
      await at(0.4)
      await kafka.stopBroker()
      await sleep(5_000)
      await kafka.startBroker()
      await at(0.7)
      await workers[1]?.kill()
    }
  })

  async function listed(): Promise<Map<string, string>> {
    const found = new Map<string, string>()
    let cursor = ''
    do {
      const response = await fetch(`${api.url}/api/media?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`)
      const page = (await response.json()) as {
        items: { media_id: string; status: string }[]
        next_cursor: string | null
      }
      for (const { media_id, status } of page.items) found.set(media_id, status)
      cursor = page.next_cursor ?? ''
    } while (cursor !== '')
    return found
  }

  async function allProcessed(sent: readonly string[]): Promise<void> {
    const until = Date.now() + limitMs
    for (;;) {
      const statuses = await listed()
      const missing = sent.filter((id) => statuses.get(id) !== 'processed')
      if (missing.length === 0) return assert.equal(statuses.size, count)
      const failed = missing.filter((id) => statuses.get(id) === 'failed')
      assert.deepEqual(failed, [])
      assert.ok(Date.now() < until, `${missing.length} are not processed: ${missing.slice(0, 3)}`)
      await sleep(1_000)
    }
  }

  /** On the topic for other systems: each once, with one upload and one end of each media. */
  async function eventsOf(sent: readonly string[]): Promise<number> {
    const env = { ...kafka.env, ...(await engineSettings(folder, { program: [], env: {} })) }
    const { client, topics } = await kafkaAddressOf(parseSettings(queueSettings, env))
    const enough = (events: Published[]) =>
      events.filter(({ type }) => type === 'media.processed').length >= sent.length
    const events = await readTopic(client, { topic: topics.events, enough, limitMs: 60_000 })
    assert.equal(new Set(events.map((one) => one.event_id)).size, events.length, 'an event is there twice')
    for (const type of ['media.uploaded', 'media.processed']) {
      const found = events.filter((one) => one.type === type).map((one) => one.media_id)
      assert.deepEqual(found.toSorted(), sent.toSorted(), type)
    }
    return events.length
  }
})

async function makeFiles(folder: string): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>()
  for (const [name, recipe] of Object.entries(samples)) {
    const path = join(folder, name)
    execFileSync('ffmpeg', ['-v', 'error', '-y', ...recipe.split(' '), path])
    files.set(name, await readFile(path))
  }
  return files
}
