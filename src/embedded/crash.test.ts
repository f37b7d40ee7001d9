import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openStore } from './store.ts'

/** What survives a death at any sync and a disk that fails: a real program under strace, which answers its system calls. */

const writer = fileURLToPath(new URL('./fixtures/writer.ts', import.meta.url))
const rows = 6

describe('store: crashes and failing disks', { concurrency: 2 }, () => {
  it('keeps what was acknowledged when killed at any sync', async () => {
    for (let nth = 1; ; nth++) {
      const run = await runWriter(`fsync:signal=KILL:when=${nth}`)
      assert.deepEqual(run.refused, [])
      const survived = await readRows(run.folder)
      const { length } = run.acknowledged
      assert.ok(survived.length === length || survived.length === length + 1, `sync ${nth}: ${survived} of ${length}`)
      assert.deepEqual(survived.slice(0, length), run.acknowledged)
      if (run.finished) return assert.ok(nth > rows, `only ${nth} syncs`)
    }
  })

  it('answers after the sync, never before', async () => {
    const { errors, folder } = await runWriter('fsync,write:error=EIO:when=10000')
    await rm(folder, { recursive: true })
    const done = errors.split('\n').flatMap((line) => /fsync.*= 0|"ok \d+/.exec(line)?.[0].slice(0, 3) ?? [])
    const before = done.flatMap((call, index) => (call === '"ok' ? [done[index - 1]] : []))
    assert.deepEqual(before, Array(rows).fill('fsy'))
  })

  it('refuses what one failing sync leaves uncertain, and never brings it back', async () => {
    for (let nth = 1; ; nth++) {
      const run = await runWriter(`fsync:error=EIO:when=${nth}`)
      if (!run.finished) {
        assert.match(run.errors, /MediaError: cannot open .*media\.db/, `sync ${nth}`)
        assert.deepEqual(await readRows(run.folder), [])
        continue
      }
      assert.ok(run.refused.every(({ code }) => code === 'unavailable') && run.refused.length <= 1)
      assert.deepEqual(run.acknowledged.length + run.refused.length, rows)
      assert.deepEqual(run.seen, run.acknowledged)
      assert.deepEqual(await readRows(run.folder), run.acknowledged)
      if (!run.injected) return assert.ok(nth > rows)
    }
  })

  it('holds for many rows in one commit', async () => {
    const opening = await callsOfOpening('fsync')
    for (const fault of ['signal=KILL', 'error=EIO']) {
      for (const nth of [1, 2, 4, 7]) {
        const run = await runWriter(`fsync:${fault}:when=${opening + nth}`, 60, 20)
        const survived = new Set(await readRows(run.folder))
        assert.ok(
          run.acknowledged.every((row) => survived.has(row)),
          `${fault} ${nth}: an acknowledged row is lost`,
        )
        assert.ok(
          run.refused.every(({ row }) => !survived.has(row)),
          `${fault} ${nth}: a refused row is there`,
        )
        assert.equal(run.finished, fault === 'error=EIO')
        if (run.finished) assert.equal(run.acknowledged.length + run.refused.length, 60)
      }
    }
  })

  it('refuses every write and goes on reading while all syncs fail', async () => {
    const opening = await callsOfOpening('fsync')
    for (const nth of [1, 3, 5].map((row) => opening + row)) {
      const run = await runWriter(`fsync:error=EIO:when=${nth}+`)
      assert.ok(run.refused.length >= 1 && run.refused.every(({ code }) => code === 'unavailable'))
      assert.deepEqual(run.acknowledged.length + run.refused.length, rows)
      assert.deepEqual(run.seen, run.acknowledged)
      // A disk that fails until the end leaves one answer open, as `unavailable` says: the first refused may be there.
      const open = [...run.acknowledged, run.refused[0]?.row]
      const survived = await readRows(run.folder)
      assert.deepEqual(survived, open.slice(0, survived.length))
      assert.ok(survived.length >= run.acknowledged.length)
    }
  })

  it('says storage_full while the disk is full, and goes on when it is not', async () => {
    const opening = await callsOfOpening('pwrite64')
    // From a call of some row on, for so many calls: a row makes about fifteen.
    for (const [after, calls] of [
      [3, 1],
      [20, 2],
      [31, 3],
      [40, 30],
    ] as const) {
      const from = opening + after
      const run = await runWriter(`pwrite64:error=ENOSPC:when=${from}..${from + calls - 1}`)
      assert.ok(run.refused.length >= 1, `no write was refused from call ${from}`)
      assert.ok(run.refused.every(({ code }) => code === 'storage_full'))
      assert.deepEqual(run.acknowledged.length + run.refused.length, rows)
      assert.deepEqual(run.seen, run.acknowledged)
      assert.deepEqual(await readRows(run.folder), run.acknowledged)
    }
  })
})

interface Run {
  folder: string
  acknowledged: number[]
  refused: { row: number; code: string }[]
  /** What it read at its end. */
  seen: number[]
  finished: boolean
  /** Whether strace has answered a call. */
  injected: boolean
  errors: string
}

/** Runs the writer under `strace -e inject=…` until it has written all or died; then kills it. */
async function runWriter(inject: string, count = rows, inFlight = 1): Promise<Run> {
  const folder = await mkdtemp(join(tmpdir(), 'store-'))
  // Without `--seccomp-bpf`: with it, strace 6.1 delivers no signals.
  const tracing = ['-f', '-e', `trace=${inject.split(':')[0]}`, '-e', `inject=${inject}`]
  const command = [process.execPath, writer, join(folder, 'media.db'), String(count), String(inFlight)]
  const child = spawn('strace', [...tracing, ...command], { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  const lines: string[] = []
  let errors = ''
  child.stderr.on('data', (data) => {
    errors += data
  })
  for await (const line of createInterface(child.stdout)) {
    lines.push(line)
    if (line === 'done') await killGroup(child)
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
  return { ...readLines(lines), folder, errors, injected: errors.includes('(INJECTED)') }
}

async function killGroup(child: ChildProcess): Promise<void> {
  if (child.pid) process.kill(-child.pid, 'SIGKILL')
}

function readLines(lines: readonly string[]): Pick<Run, 'acknowledged' | 'refused' | 'seen' | 'finished'> {
  const words = lines.map((line) => line.split(' '))
  const of = (first: string) => words.filter(([word]) => word === first)
  return {
    acknowledged: of('ok').map(([, row]) => Number(row)),
    refused: of('no').map(([, row, code = '']) => ({ row: Number(row), code })),
    seen: of('sees').flatMap(([, ...seen]) => seen.filter((row) => row !== '').map(Number)),
    finished: of('done').length > 0,
  }
}

/** The rows a next start finds; the folder goes. */
async function readRows(folder: string): Promise<number[]> {
  const store = await openStore({ path: join(folder, 'media.db') })
  const [found = [], check = []] = await store.query([
    { sql: 'SELECT job_id FROM wakeups ORDER BY id' },
    { sql: 'PRAGMA integrity_check' },
  ])
  await store.close()
  await rm(folder, { recursive: true })
  assert.deepEqual(check, [{ integrity_check: 'ok' }])
  return found.map(({ job_id }) => Number(job_id.split(' ')[1]))
}

/** How often the writer makes this call before its first row. */
async function callsOfOpening(call: string): Promise<number> {
  const { errors, folder } = await runWriter(`${call}:error=EIO:when=10000`, 0)
  await rm(folder, { recursive: true })
  return errors.split(`${call}(`).length - 1
}
