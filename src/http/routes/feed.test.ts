import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SignJWT } from 'jose'
import type { Status } from '../../media/record.ts'
import { type Kit, openKit, until } from '../kit.test.ts'

/** Follows all of a user's media; what has been told so far, in short. */
function follow(url: string, headers: Record<string, string> = {}) {
  const stop = new AbortController()
  const told: string[] = []
  let place = ''
  const over = (async () => {
    const answer = await fetch(url, { headers, signal: stop.signal })
    assert.equal(answer.status, 200, await (answer.ok ? '' : answer.text()))
    let text = ''
    for await (const chunk of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk
      const frames = text.split('\n\n')
      text = frames.pop() ?? ''
      for (const frame of frames) {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(frame)?.[1]
        place = field('id') ?? place
        if (frame.includes(': the beginning')) place = 'the beginning'
        const event = field('event')
        const data = JSON.parse(field('data') ?? '{}')
        if (event) told.push([event, data.media_id, data.status, data.progress].filter((one) => one).join(' '))
      }
    }
  })().catch((error) => {
    if (!stop.signal.aborted) throw error
  })
  return {
    told,
    place: () => place,
    end: async () => {
      stop.abort()
      await over
    },
  }
}

async function change(kit: Kit, media_id: string, status: Status): Promise<void> {
  const type = status === 'deleted' ? 'media.deleted' : 'media.processing'
  await kit.metadata.commit({
    media_id,
    expect: {},
    patch: { status },
    events: [{ type, at: '2026-01-01T00:00:00.000Z' }],
  })
}

describe('the feed of all media', () => {
  test('tells what comes, changes and goes, and nothing of others', async () => {
    await using kit = await openKit()
    const feed = follow(`${await kit.listen()}/api/media/events`)
    await until(() => feed.place() !== '')
    const media_id = await kit.addMedia()
    await kit.addMedia({ user_id: 'another' })
    await until(() => feed.told.length === 1)
    await change(kit, media_id, 'processing')
    await until(() => feed.told.length === 2)
    await change(kit, media_id, 'deleted')
    await until(() => feed.told.length === 3)
    assert.deepEqual(feed.told, [`media ${media_id} uploaded`, `media ${media_id} processing`, `gone ${media_id}`])
    await feed.end()
    await until(() => kit.feed.following() === 0)
  })

  test('tells the progress of what is processed, also of what was before it began', async () => {
    await using kit = await openKit()
    const media_id = await kit.addMedia({ status: 'processing' })
    const feed = follow(`${await kit.listen()}/api/media/events`)
    await until(() => feed.told.length === 1)
    const [job] = await kit.metadata.jobsOf(media_id)
    assert.ok(job)
    const patch = { state: 'running', lease_until: 9e12, sweep_at: 9e12, token: 1 } as const
    await kit.metadata.commit({
      media_id,
      expect: {},
      jobs: [{ job_id: job.job_id, expect: { states: ['queued'] }, patch }],
    })
    await kit.metadata.renew({ job_id: job.job_id, token: 1, lease_until: 9e12, sweep_at: 9e12, progress: 42 })
    await until(() => feed.told.includes(`media ${media_id} processing 42`))
    await feed.end()
  })

  test('goes on from where it ended, and says so when it cannot', async () => {
    await using kit = await openKit()
    const url = `${await kit.listen()}/api/media/events`
    await kit.addMedia()
    const first = follow(url)
    await until(() => first.place() !== '')
    await first.end()
    const missed = await kit.addMedia()
    const second = follow(url, { 'last-event-id': first.place() })
    await until(() => second.told.length === 1)
    assert.deepEqual(second.told, [`media ${missed} uploaded`])
    await second.end()
    const third = follow(url, { 'last-event-id': 'of another engine' })
    await until(() => third.told.length === 1)
    assert.deepEqual(third.told, ['reset'])
    await third.end()
  })

  test('a ticket opens it for those who can send no header, and nothing else', async () => {
    const secret = 'thirty-two bytes or more, they say'
    await using kit = await openKit({ env: { AUTH_JWT_SECRET: secret } })
    const url = await kit.listen()
    const token = await new SignJWT({ sub: 'u1' }).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(secret))
    const headers = { authorization: `Bearer ${token}` }
    const asked = await fetch(`${url}/api/media/events/ticket`, { method: 'POST', headers })
    assert.equal(asked.status, 201)
    const { ticket } = (await asked.json()) as { ticket: string }
    const feed = follow(`${url}/api/media/events?ticket=${ticket}`)
    await until(() => feed.place() !== '')
    const media_id = await kit.addMedia({ user_id: 'u1' })
    await until(() => feed.told.length === 1)
    assert.deepEqual(feed.told, [`media ${media_id} uploaded`])
    await feed.end()
    const statuses: number[] = []
    for (const path of [
      '/api/media/events',
      '/api/media/events?ticket=x',
      `/api/media?ticket=${ticket}`,
      `/companion/${ticket}/s3/params?filename=a&type=image/png`,
    ]) {
      statuses.push((await kit.app.inject({ url: path, headers: { host: 'localhost' } })).statusCode)
    }
    assert.ok(
      statuses.every((status) => status === 401 || status === 404),
      String(statuses),
    )
  })

  test('too many are told to come later', async () => {
    await using kit = await openKit()
    const { openFeed } = await import('../../notices/feed.ts')
    const feed = openFeed({ ...kit, log: { warn() {} } as never, limit: 1 })
    const stop = new AbortController()
    const one = feed.follow('u1', { signal: stop.signal })[Symbol.asyncIterator]()
    await one.next()
    const two = feed.follow('u1', { signal: stop.signal })[Symbol.asyncIterator]()
    await assert.rejects(two.next(), { code: 'slow_down' })
    stop.abort()
    await one.next()
    feed.close()
  })
})

describe('the log of a media', () => {
  test('page by page, the owner’s only', async () => {
    await using kit = await openKit()
    const media_id = await kit.addMedia()
    await change(kit, media_id, 'processing')
    const ask = async (id: string, query = '') =>
      await kit.app.inject({ url: `/api/media/${id}/log${query}`, headers: { host: 'localhost' } })
    const types = (await ask(media_id)).json().items.map(({ seq, type }: { seq: number; type: string }) => [seq, type])
    assert.deepEqual(types, [
      [1, 'media.uploaded'],
      [2, 'media.processing'],
    ])
    assert.deepEqual((await ask(media_id, '?after=1&limit=1')).json().items.length, 1)
    const foreign = await kit.addMedia({ user_id: 'another' })
    assert.equal((await ask(foreign)).statusCode, 404)
  })
})
