import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { openStore } from '../../src/embedded/store.ts'
import { systemClock } from '../../src/media/clock.ts'
import { parseS3Url } from '../../src/media/locations.ts'
import type { MediaRecord } from '../../src/media/record.ts'
import { openEmbeddedMetadata } from '../../src/metadata/embedded.ts'
import { openFilesystemObjects } from '../../src/objects/filesystem.ts'

/**
 * Runs the door under strace, which answers one chosen system call by a kill or an error.
 *
 * Which one is exact: strace counts calls for each thread and each name apart, so the program gets one thread for all
 * file work of the objects (`UV_THREADPOOL_SIZE=1`) beside the store's own, and `-P` narrows a count to the files of
 * one of the two. An untouched run tells how many calls there are of each.
 */

export type Side = 'objects' | 'store'

/** The nth call of a name on one side, and what becomes of it. */
export interface Fault {
  side: Side
  call: string
  nth: number
  /** From the nth on, every one. */
  onwards?: boolean
  /** From the nth on, every so many. */
  every?: number
  fault: 'signal=KILL' | 'error=EIO' | 'error=ENOSPC'
}

export interface Run {
  folder: string
  trace: string
  /** Whether the door came up. */
  started: boolean
  /** In the order they were sent. */
  answers: Answer[]
}

export interface Answer {
  /** 0: none came. */
  status: number
  body: Record<string, unknown>
  sent: Sent
}

export interface Sent {
  title: string
  bytes: Buffer
}

const program = join(import.meta.dirname, 'door.ts')
/** More than one buffer, so that the bytes go to the disk in several writes. */
const fileSize = 150_000

export function requireStrace(): void {
  const { error, stdout } = spawnSync('strace', ['-V'], { encoding: 'utf8' })
  assert.ok(!error && stdout.includes('strace'), 'these proofs need strace: apt-get install strace')
}

async function newFolder(): Promise<string> {
  return await mkdtemp(join(tmpdir(), 'durability-'))
}

/** Starts the form door on a new folder, sends it `uploads` files one after another, and ends it. */
export async function runDoor({ uploads, fault }: { uploads: number; fault?: Fault }): Promise<Run> {
  const play = async (port: number) => {
    const answers: Answer[] = []
    for (let count = 0; count < uploads; count++) answers.push(await upload(port, `upload ${count}`))
    return { whole: answers.at(-1)?.status === 201, played: answers }
  }
  const { played, ...run } = await traceDoor({ door: 'form', fault, play })
  return { ...run, answers: played ?? [] }
}

export interface Play<T> {
  door: 'form' | 'raw' | 'direct' | 'tus' | 'ietf'
  fault?: Fault | undefined
  /** Resolves with whether it came to its end, though the door may have been killed. */
  play(port: number): Promise<{ whole: boolean; played: T }>
}

export interface Traced<T> {
  folder: string
  trace: string
  started: boolean
  whole: boolean
  /** Null when the door did not come up. */
  played: T | null
}

const tracedCalls = 'fsync,fdatasync,rename,mkdir,ftruncate,pwrite64,pwritev,write,writev'

/** Starts a door on a new folder under strace, plays with it, and ends it. */
export async function traceDoor<T>({ door, fault, play }: Play<T>): Promise<Traced<T>> {
  const folder = await newFolder()
  const log = join(folder, 'trace')
  const data = join(folder, 'data')
  // Fast, but strace 6.1 then forgets to send signals.
  const fast = fault?.fault === 'signal=KILL' ? [] : ['--seccomp-bpf']
  const strace = ['-f', '-y', '-s', '40', ...fast, '-o', log, '-e', `trace=${tracedCalls}`, '-e', 'signal=none']
  const injected = fault
    ? [
        ...pathsOf(data, fault.side),
        '-e',
        `inject=${fault.call}:${fault.fault}:when=${fault.nth}${fault.every ? `+${fault.every}` : fault.onwards ? '+' : ''}`,
      ]
    : []
  const flags = ['--disable-warning=ExperimentalWarning', program]
  const child = spawn('strace', [...strace, ...injected, process.execPath, ...flags, data, 'md5', door], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, UV_THREADPOOL_SIZE: '1', UV_USE_IO_URING: '0' },
  })
  const exited = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })
  const [first] = (await Promise.race([once(lines, 'line'), exited.then(() => [])])) as string[]
  let done: { whole: boolean; played: T | null } = { whole: false, played: null }
  if (first) {
    const { port, pid } = JSON.parse(first) as { port: number; pid: number }
    try {
      done = await play(port)
    } catch (error) {
      process.kill(pid, 'SIGKILL')
      throw error
    }
    // A fault that kills has done it already, when it was reached.
    if (fault?.fault !== 'signal=KILL' || done.whole) process.kill(pid, 'SIGKILL')
  }
  await exited
  return { folder, trace: await readFile(log, 'utf8'), started: first !== undefined, ...done }
}

async function upload(port: number, title: string): Promise<Answer> {
  const sent = { title, bytes: Buffer.concat([Buffer.from('GIF89a'), randomBytes(fileSize)]) }
  const form = new FormData()
  form.set('title', title)
  form.set('file', new Blob([sent.bytes]), 'a.gif')
  try {
    const reply = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: form })
    return { status: reply.status, body: (await reply.json()) as Record<string, unknown>, sent }
  } catch {
    return { status: 0, body: {}, sent }
  }
}

/** strace takes whole paths only; staged files are numbered. */
function pathsOf(data: string, side: Side): string[] {
  const objects = join(data, 'objects')
  const staged = Array.from({ length: 40 }, (_, n) => join(objects, '.staging', String(n + 1)))
  // The names that the door gives to uploads and media; a form's are numbered as well.
  const uploads = [1, 2, 3, 4, 5].flatMap((n) => {
    const folder = join(objects, '.uploads', String(n).padStart(32, '0'))
    return [folder, ...['data', 'parts.log', 'upload.json'].map((name) => join(folder, name))]
  })
  const database = join(data, 'metadata.db')
  const folders = ['.staging', '.uploads', 'temp'].map((name) => join(objects, name))
  const paths = {
    objects: [objects, ...folders, ...staged, ...uploads],
    store: [database, `${database}-wal`, `${database}-journal`, `${database}.lock`],
  }
  return paths[side].flatMap((path) => ['-P', path])
}

/**
 * Opens what a run left, as the next start would, and checks it: what was acknowledged is there, whole and to be
 * processed; what was not is either that too, or nothing but what the lifecycle removes.
 */
export async function inspect({ folder, answers }: Run): Promise<{ records: MediaRecord[]; leftovers: string[] }> {
  const data = join(folder, 'data')
  const store = await openStore({ path: join(data, 'metadata.db') })
  const objects = await openFilesystemObjects({ root: join(data, 'objects'), clock: systemClock })
  const metadata = openEmbeddedMetadata(store)
  try {
    const { items: records } = await metadata.list({ user_id: 'ada', limit: 100 })
    for (const record of records) {
      const { sent } = answers.find((answer) => answer.sent.title === record.title) ?? {}
      assert.equal(record.status, 'uploaded')
      assert.deepEqual([record.file_size, record.etag], [sent?.bytes.length, md5(sent?.bytes)])
      const { body, object } = await objects.get(parseS3Url(record.temp_s3_url ?? ''))
      const parts: Uint8Array[] = []
      for await (const part of body) parts.push(part)
      assert.ok(sent?.bytes.equals(Buffer.concat(parts)), `${record.title} has other bytes`)
      assert.equal(object.etag, record.etag)
      const jobs = await metadata.jobsOf(record.media_id)
      assert.deepEqual(
        jobs.map(({ kind, state }) => [kind, state]),
        [['process', 'queued']],
      )
      assert.ok(jobs.every(({ sweep_at }) => sweep_at !== null))
      assert.equal((await metadata.timeline(record.media_id, 0, 10)).length, 1)
    }
    for (const { status, body, sent } of answers) {
      if (status === 201)
        assert.ok(
          records.some(({ media_id }) => media_id === body.media_id),
          `${sent.title} is lost`,
        )
    }
    const named = records.flatMap(({ media_id }) => [`${media_id}.gif`, `.${media_id}.gif.json`])
    const kept = await readdir(join(data, 'objects/temp')).catch(() => [])
    const leftovers = kept.filter((name) => !named.includes(name))
    const soon = systemClock.now() + 60_000
    for await (const _ of objects.expire('temp', { doneBefore: soon, anyBefore: soon })) {
      // what it removes is looked at below
    }
    assert.deepEqual(await readdir(join(data, 'objects/temp')).catch(() => []), [])
    assert.deepEqual(await readdir(join(data, 'objects/.staging')), [])
    return { records, leftovers }
  } finally {
    await objects.close()
    await metadata.close()
    await store.close()
    await rm(folder, { recursive: true })
  }
}

function md5(bytes: Buffer | undefined): string {
  return createHash('md5')
    .update(bytes ?? '')
    .digest('hex')
}

/** Two at a time: the machine has other things to do. */
export async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items]
  assert.ok(left.length > 0, 'nothing to try')
  const worker = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item)
  }
  await Promise.all([worker(), worker()])
}
