import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { openInlineStore } from '../embedded/store.ts'
import { isoTime, systemChance, systemClock } from '../media/clock.ts'
import { silentLog } from '../media/log.ts'
import { type EventType, newRecord } from '../media/record.ts'
import { openEmbeddedMetadata } from '../metadata/embedded.ts'
import type { Metadata } from '../metadata/port.ts'
import { readRetryAfter } from './delivering.ts'
import { openDeliveryLog } from './delivery-log.ts'
import { type Endpoint, webhookTypes } from './endpoints.ts'
import { openPoster } from './post.ts'
import { startWebhooks, type Webhooks, type WebhooksOptions } from './webhooks.ts'

const clock = systemClock
const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const older = `whsec_${Buffer.alloc(32, 8).toString('base64')}`

interface Received {
  id: string
  type: string
  media_id: string
  data: Record<string, unknown>
  at: number
}

type Behaviour = (received: Received, reply: ServerResponse) => void | Promise<void>
const takes: Behaviour = (_, reply) => void reply.writeHead(204).end()

/** A receiver that verifies what comes, as any other would: by the package of the standard. */
async function openReceiver(behave: Behaviour = takes, knows: readonly string[] = [secret, older]) {
  const got: Received[] = []
  const wrong: unknown[] = []
  const state = { behave, knows }
  const server = createServer(async (request: IncomingMessage, reply: ServerResponse) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks).toString()
    try {
      const headers = request.headers as Record<string, string>
      for (const one of state.knows) new Webhook(one).verify(body, headers)
      const { type, data } = JSON.parse(body)
      const received = { id: headers['webhook-id'] ?? '', type, data, media_id: data.media_id, at: clock.now() }
      got.push(received)
      await state.behave(received, reply)
    } catch (error) {
      wrong.push(error)
      reply.writeHead(400).end()
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: new URL(`http://127.0.0.1:${port}/hooks?a=1`),
    got,
    wrong,
    ids: () => got.map(({ id }) => id),
    become: (behave: Behaviour) => void (state.behave = behave),
    learn: (...knows: string[]) => void (state.knows = knows),
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
type Receiver = Awaited<ReturnType<typeof openReceiver>>

function endpointAt({ url }: Pick<Receiver, 'url'>, fields: Partial<Endpoint> = {}): Endpoint {
  const secrets = [secret, older].map((one) => Buffer.from(one.slice(6), 'base64'))
  return { id: 'main', url, secrets, events: webhookTypes, disabled: false, ...fields }
}

async function openKit() {
  const store = openInlineStore()
  const metadata = openEmbeddedMetadata(store)
  const poster = openPoster({ mayBeInternal: true })
  const running: Webhooks[] = []
  const receivers: Receiver[] = []
  const start = (endpoints: Endpoint[], change: Partial<WebhooksOptions> = {}) => {
    const given = { metadata, poster, clock, chance: systemChance, log: silentLog, schedule: [1, 1, 1] }
    const webhooks = startWebhooks({
      ...{ ...given, endpoints, interval: 10, describe: ({ record }) => ({ ...record, shown: true }) },
      ...change,
    })
    running.push(webhooks)
    return webhooks
  }
  return {
    metadata,
    start,
    log: openDeliveryLog({ metadata, clock }),
    receiver: async (behave?: Behaviour) => {
      const receiver = await openReceiver(behave)
      receivers.push(receiver)
      return receiver
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(running.map((one) => one.stop()))
      poster.close()
      await Promise.all(receivers.map((one) => one.close()))
      await store.close()
    },
  }
}

async function addMedia(metadata: Metadata, ...types: EventType[]): Promise<string> {
  const media_id = systemChance.uuid()
  const given = { media_id, user_id: 'ann', title: 'A', media_type: 'video', status: 'uploaded' } as const
  const create = newRecord({ ...given, upload_time: isoTime(clock.now()) })
  await metadata.commit({ media_id, expect: { absent: true }, create })
  await addEvents(metadata, media_id, ...types)
  return media_id
}

async function addEvents(metadata: Metadata, media_id: string, ...types: EventType[]): Promise<void> {
  for (const type of types) {
    await metadata.commit({ media_id, expect: {}, events: [{ type, at: isoTime(clock.now()) }] })
  }
}

async function until(done: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await done()); tries++) {
    if (tries > 2_000) throw new Error(`not within 10 s: ${done}`)
    await clock.sleep(5)
  }
}

describe('webhooks', () => {
  test('tell each endpoint what it asked for, signed with each secret, with the record as it is', async () => {
    await using kit = await openKit()
    const [all, some] = [await kit.receiver(), await kit.receiver()]
    kit.start([endpointAt(all), endpointAt(some, { id: 'some', events: ['media.failed'] })])
    const media_id = await addMedia(kit.metadata, 'media.uploaded', 'media.processing', 'media.failed', 'media.updated')
    await until(() => all.got.length === 2 && some.got.length === 1)
    assert.deepEqual([all.ids(), some.ids()], [[`${media_id}.1`, `${media_id}.3`], [`${media_id}.3`]])
    const { type, data } = all.got[0] as Received
    assert.deepEqual([type, data.title, data.shown], ['media.uploaded', 'A', true])
    const { items } = await kit.log.list({ limit: 10 })
    assert.equal(items.length, 3)
    await until(async () => (await kit.log.list({ limit: 10, state: 'delivered' })).items.length === 3)
    assert.deepEqual([all.wrong, some.wrong], [[], []])
  })

  test('tell of a media that was deleted its name and no more, also what happened before', async () => {
    await using kit = await openKit()
    const receiver = await kit.receiver()
    const media_id = await addMedia(kit.metadata, 'media.uploaded', 'media.deleted')
    await kit.metadata.commit({ media_id, expect: {}, patch: { status: 'deleted' } })
    kit.start([endpointAt(receiver)])
    await until(() => receiver.got.length === 2)
    for (const { data } of receiver.got) assert.deepEqual(data, { media_id, user_id: 'ann', status: 'deleted' })
  })

  test('are tried again until they are taken, in order per media; other media and endpoints do not wait', async () => {
    await using kit = await openKit()
    const [bad, good] = [await kit.receiver(), await kit.receiver()]
    const failing = await addMedia(kit.metadata, 'media.uploaded', 'media.processed')
    bad.become(({ media_id }, reply) => {
      const tries = bad.got.filter((one) => one.media_id === media_id).length
      reply.writeHead(media_id === failing && tries <= 2 ? 500 : 200).end('x'.repeat(100_000))
    })
    const other = await addMedia(kit.metadata, 'media.uploaded', 'media.processed')
    kit.start([endpointAt(bad, { id: 'bad' }), endpointAt(good, { id: 'good' })])
    await until(() => bad.ids().includes(`${other}.2`) && good.got.length === 4)
    assert.ok(!bad.ids().includes(`${failing}.2`))
    await until(() => bad.ids().includes(`${failing}.2`))
    const ofFailing = bad.got.filter(({ media_id }) => media_id === failing)
    assert.deepEqual(
      ofFailing.map(({ id }) => id.slice(-1)),
      ['1', '1', '1', '2'],
    )
    const pause = (ofFailing[2]?.at ?? 0) - (ofFailing[1]?.at ?? 0)
    assert.ok(pause >= 990, `${pause} ms`)
    assert.deepEqual(good.ids().toSorted(), [`${failing}.1`, `${failing}.2`, `${other}.1`, `${other}.2`].toSorted())
  })

  test('a secret is changed without one being lost: first both sign, then the receiver changes, then the old one goes', async () => {
    await using kit = await openKit()
    const receiver = await kit.receiver()
    const keyOf = (one: string) => Buffer.from(one.slice(6), 'base64')
    const takenWith = async (...signing: string[]) => {
      const running = kit.start([endpointAt(receiver, { secrets: signing.map(keyOf) })])
      const media_id = await addMedia(kit.metadata, 'media.uploaded')
      await until(() => receiver.ids().includes(`${media_id}.1`))
      await until(async () => (await kit.log.list({ limit: 1, state: 'waiting' })).items.length === 0)
      await running.stop()
    }
    receiver.learn(older)
    await takenWith(older)
    await takenWith(older, secret)
    receiver.learn(secret)
    await takenWith(older, secret)
    await takenWith(secret)
    assert.deepEqual([receiver.got.length, receiver.wrong], [4, []])
    receiver.learn(older)
    kit.start([endpointAt(receiver, { secrets: [keyOf(secret)] })])
    await addMedia(kit.metadata, 'media.uploaded')
    await until(() => receiver.wrong.length > 0)
    assert.match(String(receiver.wrong[0]), /No matching signature/)
  })

  test('have failed after the last try, say why, and go again by replay, under the same id', async () => {
    await using kit = await openKit()
    const receiver = await kit.receiver((_, reply) => void reply.writeHead(302, { location: '/elsewhere' }).end())
    kit.start([endpointAt(receiver)], { schedule: [1] })
    const media_id = await addMedia(kit.metadata, 'media.uploaded', 'media.processed')
    const failed = async () => (await kit.log.list({ limit: 10, state: 'failed' })).items
    await until(async () => (await failed()).length === 2)
    assert.deepEqual(
      receiver.ids().map((id) => id.slice(-1)),
      ['1', '1', '2', '2'],
    )
    const found = (await failed()).find(({ seq }) => seq === 1)
    assert.deepEqual([found?.attempts, found?.last_status, found?.last_error], [2, 302, 'answered 302'])
    receiver.become(takes)
    await kit.log.replay(`${media_id}.1.main`)
    await until(() => receiver.got.length === 5)
    assert.equal(receiver.ids().at(-1), `${media_id}.1`)
    await until(async () => (await failed()).length === 1)
    await assert.rejects(kit.log.replay('nobody.1.main'), { code: 'not_found' })
  })

  test('leave an endpoint alone after 410, also after a restart, until a replay is taken', async () => {
    await using kit = await openKit()
    const receiver = await kit.receiver((_, reply) => void reply.writeHead(410).end())
    const first = kit.start([endpointAt(receiver)])
    const gone = await addMedia(kit.metadata, 'media.uploaded')
    await until(async () => (await kit.log.list({ limit: 1, state: 'failed' })).items.length === 1)
    await first.stop()
    kit.start([endpointAt(receiver)])
    await addMedia(kit.metadata, 'media.uploaded')
    await clock.sleep(200)
    assert.deepEqual(receiver.ids(), [`${gone}.1`])
    receiver.become(takes)
    await kit.log.replay(`${gone}.1.main`)
    await until(() => receiver.got.length === 2)
    await until(async () => (await kit.log.list({ limit: 1, state: 'delivered' })).items.length === 1)
    await clock.sleep(50)
    const later = await addMedia(kit.metadata, 'media.uploaded')
    await until(() => receiver.ids().includes(`${later}.1`))
  })

  test('hold off for as long as a busy receiver asks', async () => {
    await using kit = await openKit()
    const receiver = await kit.receiver((_, reply) => void reply.writeHead(429, { 'retry-after': '2' }).end())
    kit.start([endpointAt(receiver)])
    await addMedia(kit.metadata, 'media.uploaded')
    await until(() => receiver.got.length === 1)
    await clock.sleep(100)
    receiver.become(takes)
    const [before] = receiver.got
    await addMedia(kit.metadata, 'media.uploaded')
    await until(() => receiver.got.length === 3)
    for (const { at } of receiver.got.slice(1)) assert.ok(at - (before?.at ?? 0) > 1_900, 'came too early')
    const now = Date.parse('2026-01-01T00:00:00Z')
    const words = ['7', 'Thu, 01 Jan 2026 00:00:09 GMT', 'soon', '-1', '99999999']
    assert.deepEqual(
      words.map((word) => readRetryAfter(word, now)),
      [7_000, 9_000, 0, 0, 86_400_000],
    )
  })

  test('a receiver that hangs holds up nobody else', async () => {
    await using kit = await openKit()
    const [hanging, good] = [await kit.receiver(() => {}), await kit.receiver()]
    kit.start([endpointAt(hanging, { id: 'hanging' }), endpointAt(good, { id: 'good' })])
    for (let count = 0; count < 20; count++) await addMedia(kit.metadata, 'media.uploaded')
    await until(() => good.got.length === 20)
    assert.equal(hanging.got.length, 8)
  })

  test('lose nothing and change no order when processes die at any step, and several run', async () => {
    await using kit = await openKit()
    const receiver = await kit.receiver()
    const wanted: string[] = []
    for (let count = 0; count < 6; count++) {
      // Its metadata stop answering after some calls: nothing of it happens any more.
      const dying = dyingAfter(kit.metadata, 5 + count * 7)
      kit.start([endpointAt(receiver)], { metadata: dying, lease: 60 })
      for (let more = 0; more < 3; more++) {
        const media_id = await addMedia(kit.metadata, 'media.uploaded', 'media.processing', 'media.processed')
        wanted.push(`${media_id}.1`, `${media_id}.3`)
      }
      await clock.sleep(100)
    }
    await expireTries(kit.metadata)
    kit.start([endpointAt(receiver)], { lease: 60 })
    kit.start([endpointAt(receiver)], { lease: 60 })
    await until(async () => {
      await expireTries(kit.metadata)
      return (await kit.log.list({ limit: 100, state: 'delivered' })).items.length === wanted.length
    })
    assert.deepEqual([...new Set(receiver.ids())].toSorted(), wanted.toSorted())
    for (const id of wanted.filter((one) => one.endsWith('.1'))) {
      const later = receiver.ids().indexOf(id.replace(/1$/, '3'))
      assert.ok(receiver.ids().indexOf(id) < later, 'in order')
    }
    assert.deepEqual(receiver.wrong, [])
  })

  test('begin with what happens once there are any', async () => {
    await using kit = await openKit()
    const receiver = await kit.receiver()
    const media_id = systemChance.uuid()
    const given = { media_id, user_id: 'ann', title: 'A', media_type: 'video', status: 'uploaded' } as const
    const long = isoTime(clock.now() - 3_600_000)
    const create = newRecord({ ...given, upload_time: long })
    const events = [{ type: 'media.uploaded', at: long }] as const
    await kit.metadata.commit({ media_id, expect: { absent: true }, create, events })
    kit.start([endpointAt(receiver)])
    const later = await addMedia(kit.metadata, 'media.uploaded')
    await until(() => receiver.got.length === 1)
    assert.deepEqual(receiver.ids(), [`${later}.1`])
  })

  test('go to no internal address, whatever its name', async () => {
    await using kit = await openKit()
    const receiver = await kit.receiver()
    const poster = openPoster({ mayBeInternal: false })
    const port = receiver.url.port
    for (const host of ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '0x7f.1', '2130706433', '0.0.0.0']) {
      const message = { headers: {}, body: '{}', signal: new AbortController().signal }
      const { status, error } = await poster.post(new URL(`http://${host}:${port}/`), message)
      assert.equal(status, null)
      assert.match(error ?? '', /internal address.*WEBHOOKS_ALLOW_INTERNAL/, host)
    }
    poster.close()
    assert.deepEqual([receiver.got, receiver.wrong], [[], []])
  })
})

/** As if the lease of every try that a dead process left had run out. */
async function expireTries(metadata: Metadata): Promise<void> {
  const { items } = await metadata.deliveries.list({ limit: 100, state: 'waiting' })
  for (const one of items.filter(({ due_at }) => due_at > clock.now() + 10_000)) {
    await metadata.deliveries.replace({ ...one, due_at: 0 }, one.token)
  }
}

/** After so many calls none of them is answered any more, as in a process that was killed. */
function dyingAfter(metadata: Metadata, calls: number): Metadata {
  let left = calls
  const guard = <T extends object>(target: T): T =>
    new Proxy(target, {
      get: (on, name) => {
        const value = Reflect.get(on, name)
        if (typeof value !== 'function') return guard(value as object)
        return async (...args: unknown[]) => {
          left -= 1
          if (left < 0) throw new Error('dead')
          return await value.apply(on, args)
        }
      },
    })
  return guard(metadata)
}
