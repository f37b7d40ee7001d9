import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Judge, openJudge } from '../judge.ts'
import { formOf, makeSample } from '../samples.ts'
import { startTarget, type Target } from '../target.ts'

/** What operators see of a running service, through HTTP. */
describe('operations', () => {
  let target: Target
  let judge: Judge
  before(async () => {
    target = await startTarget()
    judge = await openJudge(target.url)
  })
  after(async () => await target.stop())

  async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    for (const deadline = Date.now() + 60_000; Date.now() < deadline; await sleep(50)) {
      const found = await look()
      if (found !== undefined) return found
    }
    throw new Error(`not within 60 s: ${what}`)
  }

  test('a worker is seen to live, and its queue to be empty', async () => {
    const { json } = await until('a worker', async () => {
      const answer = await judge.ask('GET', '/api/operations/workers')
      return answer.json.items.length > 0 ? answer : undefined
    })
    assert.ok(json.items[0].concurrency >= 1)
    const queue = (await judge.ask('GET', '/api/operations/queue')).json
    assert.deepEqual(queue.jobs.parked, 0)
    assert.equal((await judge.ask('GET', '/api/operations/jobs')).status, 200)
  })

  test('what failed is among the dead letters with its reason, and can be tried again', async () => {
    const whole = await makeSample('photo.jpg')
    const cut = new File([await whole.slice(0, 700).arrayBuffer()], 'cut.jpg')
    const body = formOf({ title: 'cut', file: cut })
    const uploaded = await judge.ask('POST', '/api/media/upload', { body })
    assert.equal(uploaded.status, 201, uploaded.text)
    const { media_id } = uploaded.json
    const find = async () => {
      const { json } = await judge.ask('GET', '/api/operations/dead-letters?fault=file&limit=100')
      return json.items.find((one: { media_id: string }) => one.media_id === media_id)
    }
    const letter = await until('a dead letter', find)
    assert.deepEqual([letter.kind, letter.fault, letter.state], ['process', 'file', 'parked'])
    assert.match(letter.reason, /^undecodable: /)
    const replayed = await judge.ask('POST', `/api/operations/dead-letters/${letter.job_id}/replay`)
    assert.equal(replayed.status, 202, replayed.text)
    const again = await until('the second failure', async () => {
      const found = await find()
      return found?.parked_at > letter.parked_at ? found : undefined
    })
    assert.equal(again.attempts, 1)
    assert.equal((await judge.ask('POST', '/api/operations/dead-letters/nothing/replay')).status, 404)
  })

  test('the figures tell of the upload and of what was made of it', async () => {
    const body = formOf({ title: 'whole', file: await makeSample('photo.jpg') })
    const { media_id } = (await judge.ask('POST', '/api/media/upload', { body })).json
    await until('processed', async () => {
      const { status } = (await judge.ask('GET', `/api/media/${media_id}`)).json
      return status === 'processed' || undefined
    })
    const { text } = await judge.ask('GET', '/metrics')
    for (const series of [
      /^media_uploads_total\{door="whole",type="image"\} [2-9]/m,
      /^media_step_seconds_count\{step="make",type="image"\} 1$/m,
      /^media_output_bytes_total\{type="image"\} [1-9]/m,
      /^media_jobs\{state="parked"\} 1$/m,
      /^media_workers 1$/m,
      /^media_queue_oldest_seconds\{lane="tasks"\} 0$/m,
      /^media_request_seconds_count\{route="POST \/api\/media\/upload",status="2xx"\} 2$/m,
    ]) {
      assert.match(text, series)
    }
    assert.doesNotMatch(text, new RegExp(media_id))
  })

  test('every promised success has been seen', () => assert.deepEqual(judge.unseen('operations'), []))
})
