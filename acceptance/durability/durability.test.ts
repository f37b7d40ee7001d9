import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { eachOf, type Fault, inspect, type Run, requireStrace, runDoor, type Side } from './harness.ts'
import { type Call, readTrace } from './trace.ts'

/**
 * The form door answers 201 only for what is on the disk, and whatever happens to the disk or the process in between
 * loses nothing that was answered and leaves nothing else. https://man7.org/linux/man-pages/man2/fsync.2.html
 */
describe('durability of the form door', () => {
  let untouched: Run
  let calls: Call[]
  before(async () => {
    requireStrace()
    untouched = await runDoor({ uploads: 2 })
    calls = readTrace(untouched.trace)
  })

  test('bytes, names, record, answer: each is synced before the next begins', async () => {
    assert.deepEqual(
      untouched.answers.map(({ status }) => status),
      [201, 201],
    )
    for (const { body } of untouched.answers) assertOrder(calls, String(body.media_id))
    const made = find(calls, 'mkdir', /objects\/temp"/)
    const synced = find(calls, 'fsync', /\/objects>/, made)
    assert.ok(synced.end < answerOf(calls, 0).start, 'the new bucket is durable before the first answer')
    const { records, leftovers } = await inspect(untouched)
    assert.deepEqual([records.length, leftovers], [2, []])
  })

  test('a kill at any step of it loses nothing acknowledged and leaves nothing but what the lifecycle removes', async () => {
    const steps = stepsIn(calls)
    assert.ok(steps.length >= 25, `only ${steps.length} steps`)
    await eachOf(steps, async (step) => {
      const run = await runDoor({ uploads: 2, fault: { ...step, fault: 'signal=KILL' } })
      const acknowledged = run.answers.filter(({ status }) => status === 201).length
      assert.ok(acknowledged < 2, `${nameOf(step)} was not reached`)
      await named(step, async () => {
        const { records } = await inspect(run)
        assert.ok(records.length - acknowledged <= 1)
      })
    })
  })

  for (const fault of ['error=EIO', 'error=ENOSPC'] as const) {
    test(`${fault} at any step is answered by 503 or does not matter, and the door goes on`, async () => {
      // Only syncs report what the disk did; writes and names run out of room.
      const steps = stepsIn(calls).filter(({ call }) => call === 'fsync' || fault === 'error=ENOSPC')
      await eachOf(steps, async (step) => {
        const run = await runDoor({ uploads: 3, fault: { ...step, fault } })
        assert.ok(run.trace.includes('(INJECTED)'), `${nameOf(step)} was not reached`)
        await named(step, () => assertRefused(run, 1))
      })
    })
  }

  const broken: [title: string, code: string, fault: Fault][] = [
    [
      'a disk that syncs no bytes',
      'unavailable',
      { side: 'objects', call: 'fsync', nth: 3, onwards: true, fault: 'error=EIO' },
    ],
    [
      'a disk that syncs no records',
      'unavailable',
      { side: 'store', call: 'fsync', nth: 6, onwards: true, fault: 'error=EIO' },
    ],
    [
      'a full disk',
      'storage_full',
      { side: 'objects', call: 'pwrite64', nth: 2, onwards: true, fault: 'error=ENOSPC' },
    ],
    [
      'a full disk for records',
      'storage_full',
      { side: 'store', call: 'pwrite64', nth: 75, onwards: true, fault: 'error=ENOSPC' },
    ],
  ]
  for (const [title, code, fault] of broken) {
    test(`${title} refuses every upload and keeps none`, async () => {
      const run = await runDoor({ uploads: 4, fault })
      const refused = run.answers.filter(({ status }) => status === 503)
      assert.ok(refused.length >= 2)
      assert.deepEqual(new Set(refused.map(({ body }) => body.code)), new Set([code]))
      await assertRefused(run, 4)
    })
  }
})

interface Step {
  side: Side
  call: string
  nth: number
}

/** The calls of a run that write, name or sync, numbered as strace counts them. */
function stepsIn(calls: readonly Call[]): Step[] {
  const counts = new Map<string, number>()
  const steps: Step[] = []
  for (const { name, text } of calls) {
    const side = sideOf(text)
    if (side === null) continue
    const nth = (counts.get(`${side} ${name}`) ?? 0) + 1
    counts.set(`${side} ${name}`, nth)
    // The store's single writes are its own business, and many.
    if (side === 'objects' || name === 'fsync') steps.push({ side, call: name, nth })
  }
  return steps
}

function sideOf(text: string): Side | null {
  if (/\/metadata\.db(-wal|-journal|\.lock)?[>"]/.test(text)) return 'store'
  return /\/objects(\/\.staging(\/\d+)?|\/temp)?[>"]/.test(text) ? 'objects' : null
}

function assertOrder(calls: readonly Call[], media_id: string): void {
  const named = find(calls, 'rename', new RegExp(`/temp/${media_id}\\.gif"`))
  const described = find(calls, 'rename', new RegExp(`/temp/\\.${media_id}\\.gif\\.json"`))
  for (const rename of [named, described]) {
    const file = /\.staging\/(\d+)"/.exec(rename.text)?.[1]
    const ofFile = calls.filter(({ text }) => text.includes(`/.staging/${file}>`))
    const sync = ofFile.find(({ name }) => name === 'fsync')
    assert.ok(sync && / = 0$/.test(sync.text))
    assert.ok(
      ofFile.every((call) => call === sync || call.end < sync.start),
      'written before it is synced',
    )
    assert.ok(sync.end < rename.start, 'synced before it is named')
  }
  assert.ok(described.end < named.start, 'attributes are named before bytes')
  const folder = find(calls, 'fsync', /\/objects\/temp>/, named)
  const written = find(calls, 'pwrite64', /metadata\.db-wal>/, folder)
  const log = find(calls, 'fsync', /metadata\.db-wal>/, written)
  const answer = find(calls, ['write', 'writev'], /HTTP\/1\.1 201/, log)
  assert.ok(folder.end < written.start && log.end < answer.start)
  const before = calls.filter(
    ({ name, text, start }) => name === 'fsync' && /metadata\.db-wal>/.test(text) && start < folder.end,
  )
  assert.ok(
    before.every(({ end }) => end < named.start),
    'no record is synced while its bytes have no name',
  )
}

/** The first call of that kind after another has ended. */
function find(calls: readonly Call[], names: string | string[], text: RegExp, after?: Call): Call {
  const found = calls.find(
    (call) => [names].flat().includes(call.name) && text.test(call.text) && call.start > (after?.end ?? -1),
  )
  assert.ok(found, `no ${names} of ${text}`)
  return found
}

function answerOf(calls: readonly Call[], nth: number): Call {
  const answers = calls.filter(({ text }) => /HTTP\/1\.1 201/.test(text))
  const found = answers[nth]
  assert.ok(found, 'no answer in the trace')
  return found
}

/** What was refused is not there, what was not refused is; and no more was refused than could be. */
async function assertRefused(run: Run, most: number): Promise<void> {
  const refused = run.answers.filter(({ status }) => status !== 201)
  assert.ok(refused.length <= most, `${refused.length} were refused`)
  for (const { status, body } of refused) {
    assert.equal(status, 503)
    assert.match(String(body.code), /^(storage_full|unavailable)$/)
  }
  const { records, leftovers } = await inspect(run)
  assert.equal(records.length, run.answers.length - refused.length)
  assert.deepEqual(leftovers, [])
}

const nameOf = ({ side, call, nth }: Step) => `${call} ${nth} of the ${side}`

async function named(step: Step, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    throw new Error(`${nameOf(step)}: ${(error as Error).message}`, { cause: error })
  }
}
