import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { openStore } from '../src/embedded/store.ts'
import { newJob } from '../src/media/jobs.ts'
import { newRecord } from '../src/media/record.ts'
import { openEmbeddedMetadata } from '../src/metadata/embedded.ts'

/** Durable commits a second on the embedded engine beside the disk's own synced appends, and what they cost the main loop. */

const seconds = 3

async function measure(name: string, inFlight: number, work: (n: number) => Promise<unknown>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const start = performance.now()
  let count = 0
  const worker = async () => {
    while (performance.now() - start < seconds * 1_000) await work(count++)
  }
  await Promise.all(Array.from({ length: inFlight }, worker))
  const rate = count / ((performance.now() - start) / 1_000)
  delay.disable()
  console.log(`${name.padEnd(44)} ${Math.round(rate)}/s, main loop's worst stall ${(delay.max / 1e6).toFixed(1)} ms`)
  return rate
}

const folder = mkdtempSync(join(tmpdir(), 'bench-store-'))
const file = openSync(join(folder, 'appends'), 'w')
const floor = await measure('bare: one 4 KiB append and its sync', 1, async () => {
  writeSync(file, Buffer.alloc(4_096, 1))
  fsyncSync(file)
})
closeSync(file)

const store = await openStore({ path: join(folder, 'media.db') })
const metadata = openEmbeddedMetadata(store)
const at = '2026-01-01T00:00:00.000Z'
let round = 0

async function commit(n: number): Promise<void> {
  const media_id = `${round}-${n}`
  const owner = { media_id, user_id: `user ${n % 50}` }
  const create = newRecord({ ...owner, title: `${n}`, media_type: 'video', upload_time: at, status: 'uploaded' })
  const jobs = [{ create: newJob({ ...owner, kind: 'process', lane: 'tasks', now: n }) }]
  await metadata.commit({ media_id, expect: { absent: true }, create, jobs, events: [{ type: 'media.uploaded', at }] })
}

for (const inFlight of [1, 64]) {
  round++
  const rate = await measure(`record + job + event in one commit, ${inFlight} in flight`, inFlight, commit)
  console.log(`  ${(rate / floor).toFixed(2)} of the bare appends`)
}
const sql = 'UPDATE pulse SET beats = :n'
await measure('one row, 64 in flight', 64, (n) => store.transaction([{ sql, params: { n } }]))
await store.close()
rmSync(folder, { recursive: true })
