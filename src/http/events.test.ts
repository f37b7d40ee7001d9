import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { systemClock } from '../media/clock.ts'
import { type Kit, openKit, until } from './kit.test.ts'

/** What a browser makes of a stream, as far as ours goes. */
async function* readEvents(answer: Response) {
  let text = ''
  for await (const chunk of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const fields = new Map(
        text
          .slice(0, end)
          .split('\n')
          .map((line): [string, string] => {
            const colon = line.indexOf(':')
            return [line.slice(0, colon), line.slice(colon + 1).trim()]
          }),
      )
      text = text.slice(end + 2)
      yield {
        event: fields.get('event'),
        id: fields.get('id'),
        retry: fields.get('retry'),
        comment: fields.get(''),
        data: fields.get('data'),
      }
    }
  }
}

async function change(kit: Kit, media_id: string, status: 'processing' | 'processed'): Promise<void> {
  const type = `media.${status}` as const
  const at = '2026-01-01T00:00:00.000Z'
  await kit.metadata.commit({ media_id, expect: {}, patch: { status }, events: [{ type, at }] })
}

async function countRecords(answer: Response): Promise<number> {
  let count = 0
  for await (const { event } of readEvents(answer)) if (event === 'media') count += 1
  return count
}

describe('events', () => {
  test('a stream tells the record at once and at each change, and ends', async () => {
    await using kit = await openKit()
    const url = await kit.listen()
    const media_id = await kit.addMedia()
    const answer = await fetch(`${url}/api/media/${media_id}/events`)
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.get('content-type'), 'text/event-stream')
    assert.equal(answer.headers.get('cache-control'), 'no-store')
    const heard: string[] = []
    for await (const { event, id, retry, data } of readEvents(answer)) {
      if (retry) continue
      assert.equal(event, 'media')
      const media = JSON.parse(data ?? '')
      assert.equal(media.media_url, `${url}/api/media/download/${media_id}`)
      heard.push(`${id?.slice(37)} ${media.status}`)
      if (media.status === 'uploaded') await change(kit, media_id, 'processing')
      if (media.status === 'processing') await change(kit, media_id, 'processed')
    }
    assert.deepEqual(heard, ['1 uploaded', '2 processing', '3 processed'])
  })

  test('who has seen the end is sent away for good', async () => {
    await using kit = await openKit()
    const media_id = await kit.addMedia({ status: 'failed' })
    const ask = async (seen: string) =>
      await kit.app.inject({
        url: `/api/media/${media_id}/events`,
        headers: { host: 'localhost', 'last-event-id': seen },
      })
    assert.equal((await ask(`${media_id}.1`)).statusCode, 204)
    for (const seen of [`${media_id}.0`, `${media_id}.99`, 'nonsense']) {
      const answer = await ask(seen)
      assert.equal(answer.statusCode, 200)
      assert.match(answer.body, /event: media/)
    }
  })

  test('a client that goes away leaves nothing running', async () => {
    await using kit = await openKit()
    const url = await kit.listen()
    const media_id = await kit.addMedia()
    const leaving = new AbortController()
    const answer = await fetch(`${url}/api/media/${media_id}/events`, { signal: leaving.signal })
    await answer.body?.getReader().read()
    assert.equal(kit.live.watching(), 1)
    leaving.abort()
    await until(() => kit.live.watching() === 0)
  })

  test('a silent stream shows signs of life', async () => {
    // Time of the stream runs a thousand times as fast.
    const clock = {
      ...systemClock,
      sleep: async (ms: number, signal?: AbortSignal) => await systemClock.sleep(ms / 1000, signal),
    }
    await using kit = await openKit({ clock })
    const url = await kit.listen()
    const media_id = await kit.addMedia()
    const answer = await fetch(`${url}/api/media/${media_id}/events`)
    for await (const { comment } of readEvents(answer)) if (comment) break
  })

  test('the stop closes open streams and does not wait for them', async () => {
    await using kit = await openKit()
    const url = await kit.listen()
    const media_id = await kit.addMedia()
    const answer = await fetch(`${url}/api/media/${media_id}/events`)
    const all = countRecords(answer)
    await until(() => kit.live.watching() === 1)
    await kit.app.close()
    assert.equal(await all, 1)
  })

  test('an unknown media is 404 before any stream', async () => {
    await using kit = await openKit()
    const url = '/api/media/550e8400-e29b-41d4-a716-446655440000/events'
    const answer = await kit.app.inject({ url, headers: { host: 'localhost' } })
    assert.equal(answer.statusCode, 404)
    assert.equal(answer.headers['content-type'], 'application/problem+json')
  })
})
