import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { before, describe, test } from 'node:test'
import { systemClock } from '../../src/media/clock.ts'
import { codeOf } from '../../src/media/errors.ts'
import { openFilesystemObjects } from '../../src/objects/filesystem.ts'
import type { Held, ObjectStore, Part, UploadRef } from '../../src/objects/port.ts'
import { eachOf, requireStrace } from './harness.ts'
import { chunksOf, contentOf, type Fact, refs, type UploadName, wholeOf } from './parts-facts.ts'
import { type Call, readTrace } from './trace.ts'

/**
 * What is acknowledged of an upload in parts is on the disk, and whatever happens to the disk or the process in
 * between, the upload can be gone on with from there and becomes what was sent.
 */
describe('durability of parts', () => {
  let untouched: Run
  let calls: Call[]
  before(async () => {
    requireStrace()
    untouched = await run()
    calls = readTrace(untouched.trace)
  })

  test('bytes, journal, answer: each is synced before the next begins', async () => {
    assert.deepEqual(
      untouched.facts.filter(({ failed }) => failed),
      [],
    )
    const answers = calls.filter(({ name, text }) => name === 'write' && /"part_number\\?":|"offset\\?":/.test(text))
    assert.equal(answers.length, 7)
    // The second and third are sent at a time, and one's bytes may come after the other's sync.
    for (const [index, { start }] of answers.entries()) if (index !== 1 && index !== 2) assertOrder(calls, start)
    await inspect(untouched)
  })

  test('a kill at any step loses nothing acknowledged', async () => {
    const steps = stepsIn(calls)
    assert.ok(steps.length >= 80, `only ${steps.length} steps`)
    await eachOf(steps, async (step) => {
      const killed = await run(`${step.call}:signal=KILL:when=${step.nth}`)
      assert.equal(killed.whole, false, `${step.call} ${step.nth} was not reached`)
      await named(step, () => inspect(killed))
    })
  })

  for (const error of ['EIO', 'ENOSPC']) {
    test(`${error} at any step is told and loses nothing acknowledged`, async () => {
      const steps = stepsIn(calls).filter(({ call }) => error === 'ENOSPC' || /sync/.test(call))
      await eachOf(steps, async (step) => {
        const failed = await run(`${step.call}:error=${error}:when=${step.nth}`)
        assert.ok(failed.trace.includes('(INJECTED)'), `${step.call} ${step.nth} was not reached`)
        await named(step, () => inspect(failed))
      })
    })
  }
})

/** Before an answer: bytes, their sync, the journal's line, its sync. */
function assertOrder(calls: readonly Call[], answered: number): void {
  let before = answered
  const order = [
    ['fdatasync', /parts\.log>.* = 0/],
    ['write', /parts\.log>/],
    ['fdatasync', /\/data>.* = 0/],
    ['pwrite', /\/data>/],
  ] as const
  const found = order.map(([wanted, path]) => {
    const call = calls.findLast(({ name, text, end }) => name.startsWith(wanted) && path.test(text) && end < before)
    assert.ok(call, `no ${wanted} of ${path} before line ${before} of the trace`)
    before = call.start
    return call
  })
  const [, , , bytes] = found
  const late = calls.filter(
    ({ name, text, start }) =>
      name.startsWith('pwrite') && /\/data>/.test(text) && start > (bytes?.start ?? 0) && start < answered,
  )
  assert.deepEqual(late, [], 'bytes were written after their sync')
}

interface Run {
  folder: string
  trace: string
  /** What was acknowledged, in order. */
  facts: Fact[]
  /** Whether the program came to its end. */
  whole: boolean
}

const program = join(import.meta.dirname, 'parts-program.ts')
const traced = ['fsync', 'fdatasync', 'rename', 'mkdir', 'pwrite64', 'pwritev', 'ftruncate', 'unlink', 'rmdir', 'write']

async function run(fault?: string): Promise<Run> {
  const folder = await mkdtemp(join(tmpdir(), 'durability-parts-'))
  const log = join(folder, 'trace')
  const fast = fault?.includes('KILL') ? [] : ['--seccomp-bpf']
  const inject = fault ? ['-e', `inject=${fault}`] : []
  const options = ['-f', '-y', '-s', '64', ...fast, '-o', log, '-e', `trace=${traced}`, '-e', 'signal=none', ...inject]
  const child = spawn('strace', [...options, process.execPath, program, join(folder, 'objects')], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, UV_THREADPOOL_SIZE: '1', UV_USE_IO_URING: '0', NODE_NO_WARNINGS: '1' },
  })
  const [said, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  const lines = said.split('\n').slice(0, -1)
  return { folder, trace: await readFile(log, 'utf8'), facts: lines.map((line) => JSON.parse(line)), whole: code === 0 }
}

interface Step {
  call: string
  nth: number
}

/** The calls on the store's files, numbered as strace counts them: there is one thread for all file work. */
function stepsIn(calls: readonly Call[]): Step[] {
  const counts = new Map<string, number>()
  const steps: Step[] = []
  for (const { name, text } of calls) {
    if (!/durability-parts-[^/]*\/objects|^"?\.?\//.test(text) || (name === 'write' && !/\/objects\//.test(text)))
      continue
    const nth = (counts.get(name) ?? 0) + 1
    counts.set(name, nth)
    if (name !== 'write') steps.push({ call: name, nth })
  }
  return steps
}

async function named(step: Step, work: () => Promise<void>): Promise<void> {
  await work().catch((error) => {
    error.message = `${step.call} ${step.nth}: ${error.message}`
    throw error
  })
}

/** Opens what a run left, as the next start would; checks what was acknowledged, and goes on to the end. */
async function inspect({ folder, facts }: Run): Promise<void> {
  const root = join(folder, 'objects')
  const store = await openFilesystemObjects({ root, clock: systemClock })
  try {
    await goOnWithParts(store, factsOf(facts, 'parts'))
    await goOnAppending(store, factsOf(facts, 'appended'))
    const aborted = factsOf(facts, 'aborted')
    const ref = { ref: refs.aborted, upload_id: aborted.upload_id ?? '' }
    if (aborted.facts.some((fact) => fact.aborted)) await assert.rejects(store.heldOf(ref))
    await store.abortUpload(ref)
    const later = { doneBefore: systemClock.now(), anyBefore: systemClock.now() + 60_000 }
    for await (const _ of store.expire('temp', later)) {
      // what it removes is looked at below
    }
    assert.deepEqual(await readdir(join(root, '.uploads')), [])
    assert.deepEqual(await readdir(join(root, '.staging')), [])
    assert.deepEqual(await readdir(join(root, 'temp')).catch(() => []), [])
  } finally {
    await store.close()
    await rm(folder, { recursive: true })
  }
}

interface Said {
  upload_id: string | undefined
  facts: Fact[]
}

function factsOf(facts: readonly Fact[], upload: UploadName): Said {
  const own = facts.filter((fact) => fact.upload === upload)
  return { upload_id: own.find(({ upload_id }) => upload_id)?.upload_id, facts: own }
}

async function goOnWithParts(store: ObjectStore, { upload_id, facts }: Said): Promise<void> {
  if (!upload_id) return
  const upload = { ref: refs.parts, upload_id }
  const held = await heldOf(store, upload)
  if (held) {
    for (const n of [1, 2, 3]) {
      const last = facts.findLast(({ sending, part_number }) => sending === n || part_number === n)
      const found: Part | undefined = held.parts.find(({ part_number }) => part_number === n)
      if (last?.etag) assert.equal(found?.etag, last.etag, `part ${n}`)
      else if (found) assert.ok([0, 1].some((round) => md5(contentOf(n, round)) === found.etag))
      const bytes = contentOf(n, 1)
      await store.putPart(upload, { part_number: n, source: chunksOf(bytes), size: bytes.length })
    }
    await store.completeUpload(upload)
  }
  await assertWhole(store, 'parts')
}

async function goOnAppending(store: ObjectStore, { upload_id, facts }: Said): Promise<void> {
  if (!upload_id) return
  const upload = { ref: refs.appended, upload_id }
  const held = await heldOf(store, upload)
  if (held) {
    const { offset } = held
    assert.ok(offset >= (facts.findLast((fact) => fact.offset !== undefined)?.offset ?? 0))
    await store.append(upload, chunksOf(wholeOf().subarray(offset)), { offset })
    await store.completeUpload(upload)
  }
  await assertWhole(store, 'appended')
}

async function heldOf(store: ObjectStore, upload: UploadRef): Promise<Held | null> {
  return await store.heldOf(upload).catch((error) => {
    if (codeOf(error) !== 'not_found') throw error
    return null
  })
}

async function assertWhole(store: ObjectStore, upload: UploadName): Promise<void> {
  const { object, body } = await store.get(refs[upload])
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  assert.ok(wholeOf().equals(Buffer.concat(chunks)), `${upload} has other bytes`)
  const sums = [1, 2, 3].map((n) => createHash('md5').update(contentOf(n, 1)).digest())
  assert.equal(object.etag, `${md5(Buffer.concat(sums))}-3`)
}

function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex')
}
