import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { startTarget, type Target } from '../target.ts'
import { makeFilm } from './bodies.ts'

/** A film larger than the limit on memory by any measure goes through each door. `MEMORY_MIB` makes it longer. */
const mebibyte = 1024 ** 2
const size = Number(process.env.MEMORY_MIB ?? 512) * mebibyte
/** Bytes that the service may hold at any moment. */
const limit = 220_000_000

const doors: [door: string, streams?: number][] = [['raw'], ['direct', 8], ['tus'], ['ietf']]

describe(`memory of the service while ${size / mebibyte} MiB go through it`, () => {
  let folder = ''
  let film = ''
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'memory-'))
    film = join(folder, 'film.mp4')
    await makeFilm(film, size)
  })
  after(async () => await rm(folder, { recursive: true, force: true }))

  for (const [door, streams = 1] of doors) {
    test(`${door}${streams > 1 ? `, ${streams} parts at a time` : ''}`, async (t) => {
      const target = await startTarget({ role: 'serve' })
      try {
        const idle = await residentBytes(target)
        const { peak, ms } = await watched(target, send([door, target.url, film, String(streams)]))
        t.diagnostic(
          `${door}: ${mb(idle)} idle, ${mb(peak)} at most, ${((size / 1e6 / ms) * 1_000).toFixed(0)} MB/s until the answer`,
        )
        const { items } = (await (await fetch(`${target.url}/api/media`)).json()) as {
          items: Record<string, unknown>[]
        }
        assert.deepEqual([items[0]?.status, items[0]?.file_size], ['uploaded', size])
        assert.ok(peak < limit, `${mb(peak)} of memory`)
      } finally {
        await target.kill()
      }
    })
  }
})

const mb = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`

/** In a process of its own, so that its memory is not ours. @returns how long it took */
async function send(args: string[]): Promise<number> {
  const program = join(import.meta.dirname, 'send.ts')
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    program,
    ...args,
  ])
  return JSON.parse(stdout).ms
}

async function watched(target: Target, work: Promise<number>): Promise<{ peak: number; ms: number }> {
  let peak = 0
  const look = async () => {
    peak = Math.max(peak, await residentBytes(target))
  }
  const timer = setInterval(() => void look().catch(() => {}), 100)
  try {
    return { ms: await work, peak }
  } finally {
    clearInterval(timer)
  }
}

async function residentBytes({ pid }: Target): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024
}
