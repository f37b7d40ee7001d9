import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { eachOf, type Fault, requireStrace, type Side, type Traced, traceDoor } from './harness.ts'
import { inspectPieces } from './inspection.ts'
import { type Played, senders } from './senders.ts'
import { type Call, readTrace } from './trace.ts'

/**
 * The doors of any size answer only for what is on the disk, from the store's files to the record. How the store itself
 * comes through is proved in `parts.test.ts`; here a fault comes at each of its steps and the record's, of whole requests.
 */
type Door = keyof typeof senders

interface About {
  door: Door
  answers: RegExp
  /** How many there are at least. */
  answered: number
  /** A kill at every so many steps. */
  kills: number
  /** Whether the disk fails, too. */
  faults: boolean
}

const doors: About[] = [
  // Begun twice, three parts, completed twice, given up.
  { door: 'direct', answers: /HTTP\/1\.1 20[014]/, answered: 8, kills: 1, faults: true },
  { door: 'tus', answers: /HTTP\/1\.1 20[014]/, answered: 9, kills: 1, faults: true },
  // It shares all but its language with tus.
  { door: 'ietf', answers: /HTTP\/1\.1 20[014]/, answered: 9, kills: 4, faults: false },
  // And this one all but its words with the form.
  { door: 'raw', answers: /HTTP\/1\.1 201/, answered: 2, kills: 2, faults: false },
]

for (const { door, answers, answered, kills, faults: fails } of doors) {
  describe(`durability of the door ${door}`, () => {
    let calls: Call[]
    before(async () => {
      requireStrace()
      const untouched = await runPiece(door)
      calls = readTrace(untouched.trace)
      assert.ok(untouched.whole)
      assert.deepEqual(untouched.played?.wrong, [])
      await inspectPieces(untouched.folder, playedIn(untouched))
    })

    test('whatever was written, made or named is synced before each answer', () => {
      const sent = calls.filter(({ text }) => answers.test(text))
      assert.ok(sent.length >= answered, `${sent.length} answers`)
      for (const [index, answer] of sent.entries()) {
        assert.deepEqual(unsyncedAt(calls, answer.start), [], `at answer ${index + 1}`)
      }
    })

    test('a media is recorded after its bytes have their name', () => {
      const named = find(
        calls,
        'rename',
        /(\.uploads\/0+1\/data|\.staging\/\d+)".*\/temp\/0+-0000-4000-8000-0+\d(\.gif)?"/,
      )
      const folder = find(calls, 'fsync', /\/objects\/temp>/, named)
      const written = find(calls, 'pwrite64', /metadata\.db-wal>/, named)
      const synced = find(calls, ['fsync', 'fdatasync'], /metadata\.db-wal>/, written)
      const answer = find(calls, ['write', 'writev'], answers, written)
      assert.ok(folder.end < written.start && synced.end < answer.start)
    })

    test('a kill at any step loses nothing acknowledged, and what was under way goes on', async (t) => {
      const all = stepsIn(calls).filter(({ call }) => !call.startsWith('pwrite'))
      assert.ok(all.length >= 20, `only ${all.length} steps`)
      const steps = all.filter((_, index) => index % kills === 0)
      let missed = 0
      await eachOf(steps, async (step) => {
        const run = await runPiece(door, { ...step, fault: 'signal=KILL' })
        if (run.whole) missed++
        await named(step, () => inspectPieces(run.folder, playedIn(run)))
      })
      t.diagnostic(`${steps.length} steps`)
      // Parts of a request may come in one sync or in two.
      assert.ok(missed <= 2, `${missed} of ${steps.length} steps were not reached`)
    })

    for (const fault of fails ? (['error=EIO', 'error=ENOSPC'] as const) : []) {
      // Every fourth of each kind fails, from each of the first four on: so each does in some run, and what comes after.
      // Writes fail once: a chunk has many, and would never get through.
      test(`${fault} at every fourth step is answered by 503, and the door goes on`, async (t) => {
        const kinds = kindsIn(stepsIn(calls)).filter(({ call }) => /sync/.test(call) || fault === 'error=ENOSPC')
        const faults = kinds.flatMap((kind) =>
          [1, 2, 3, 4].map((nth): Fault & Step => {
            return kind.call.startsWith('pwrite')
              ? { ...kind, nth: nth * nth, fault }
              : { ...kind, nth, every: 4, fault }
          }),
        )
        let [injected, refused] = [0, 0]
        await eachOf(faults, async (given) => {
          const run = await runPiece(door, given)
          if (run.trace.includes('(INJECTED)')) injected++
          refused += run.played?.refused ?? 0
          await named(given, async () => {
            assert.deepEqual(run.played?.wrong ?? [], [])
            await inspectPieces(run.folder, playedIn(run))
          })
        })
        // There are fewer than four of some.
        assert.ok(injected >= faults.length / 2, `${injected} of ${faults.length} faults came`)
        assert.ok(refused >= 3, `${refused} requests were refused`)
        t.diagnostic(`${injected} faults of ${faults.length}, ${refused} requests refused`)
      })
    }
  })
}

async function runPiece(door: Door, fault?: Fault): Promise<Traced<Played>> {
  return await traceDoor({ door, fault, play: senders[door] })
}

/** Nothing was sent to a door that did not come up. */
function playedIn({ played }: Traced<Played>): Played {
  return played ?? { sent: [], refused: 0, wrong: [] }
}

/** Files that were written and folders that were changed since they were last synced, as a call begins. */
function unsyncedAt(calls: readonly Call[], line: number): string[] {
  const dirty = new Set<string>()
  const ended = calls.filter(({ end }) => end < line).toSorted((a, b) => a.end - b.end)
  const startOf = new Map<string, number>()
  for (const { name, text, start } of ended) {
    const [, path = ''] = /^\d+<([^>]*)>/.exec(text) ?? []
    if (/^(pwrite64|pwritev|write|writev|ftruncate)$/.test(name) && isOurs(path)) {
      dirty.add(path)
      startOf.set(path, start)
    } else if (/^f(data)?sync$/.test(name) && / = 0$/.test(text)) dirty.delete(path)
    else if (name === 'rename') {
      const [, from = '', to = ''] = /^"([^"]*)", "([^"]*)"/.exec(text) ?? []
      if (dirty.delete(from) && isOurs(to)) dirty.add(to)
      for (const changed of [from, to].map(folderOf)) if (isOurs(changed)) dirty.add(changed)
    } else if (name === 'mkdir' && / = 0$/.test(text)) {
      const made = folderOf(/^"([^"]*)"/.exec(text)?.[1] ?? '')
      if (isOurs(made)) dirty.add(made)
    }
  }
  return [...dirty]
}

const folderOf = (path: string) => path.slice(0, path.lastIndexOf('/'))

/** What goes with the process need not be durable, and the store's index is made anew. */
function isOurs(path: string): boolean {
  return /\/data\/(objects|metadata\.db)/.test(path) && !/\/\.staging|metadata\.db-shm|\.lock$/.test(path)
}

/** The first call of that kind after another has ended. */
function find(calls: readonly Call[], names: string | string[], text: RegExp, after?: Call): Call {
  const found = calls.find(
    (call) => [names].flat().includes(call.name) && text.test(call.text) && call.start > (after?.end ?? -1),
  )
  assert.ok(found, `no ${names} of ${text}`)
  return found
}

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
    if (side === null || name === 'write' || name === 'writev') continue
    const nth = (counts.get(`${side} ${name}`) ?? 0) + 1
    counts.set(`${side} ${name}`, nth)
    // The record's single writes are its own business, and many.
    if (side === 'objects' || /sync/.test(name)) steps.push({ side, call: name, nth })
  }
  return steps
}

function kindsIn(steps: readonly Step[]): Pick<Step, 'side' | 'call'>[] {
  const kinds = new Map(steps.map(({ side, call }) => [`${side} ${call}`, { side, call }]))
  return [...kinds.values()]
}

function sideOf(text: string): Side | null {
  if (/\/metadata\.db(-wal|-journal|\.lock)?[>"]/.test(text)) return 'store'
  const ours = /\/objects(\/\.staging(\/\d+)?|\/temp|\/\.uploads(\/0+\d(\/(data|parts\.log|upload\.json))?)?)?[>"]/
  return ours.test(text) ? 'objects' : null
}

async function named({ side, call, nth }: Step, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    throw new Error(`${call} ${nth} of the ${side}: ${(error as Error).message}`, { cause: error })
  }
}
