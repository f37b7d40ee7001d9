import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { isShared } from './engines.ts'
import type { Site } from './site.ts'

/**
 * A folder for what a process has under way. On embedded engines the data folder is one process's own; else each makes
 * one below it, and removes those of processes that a crash ended.
 */
export async function openScratch({ config, chance, closers, log }: Site): Promise<string> {
  const { dataDir } = config.service
  if (!isShared(config)) return dataDir
  const root = join(dataDir, 'processes')
  await mkdir(root, { recursive: true })
  await removeAbandoned(root).catch((error) => log.warn({ error }, 'what dead processes left was not removed'))
  const own = join(root, `${machine()}.${process.pid}.${await startOf(process.pid)}.${chance.uuid()}`)
  await mkdir(own)
  closers.add('scratch', async () => await rm(own, { recursive: true, force: true }))
  return own
}

/** Those of other machines on the same disk are left alone: whether they live cannot be told from here. */
async function removeAbandoned(root: string): Promise<void> {
  for (const name of await readdir(root)) {
    const [host, pid, start] = name.split('.')
    if (host !== machine() || (await startOf(Number(pid))) === start) continue
    await rm(join(root, name), { recursive: true, force: true })
  }
}

function machine(): string {
  return hostname().replace(/[^A-Za-z0-9-]/g, '_')
}

/** What tells a process from a later one with the same number: its start, in ticks since the machine's. */
async function startOf(pid: number): Promise<string> {
  // proc(5): field 22, counted behind the name, which may hold spaces.
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return stat.split(') ').at(-1)?.split(' ')[19] ?? 'none'
}
