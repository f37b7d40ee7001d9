import { type FileHandle, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { crc32 } from 'node:zlib'
import type { MediaError } from '../media/errors.ts'
import type { DataFile } from './data-file.ts'
import { removeQuietly, storageError, syncFolder, writeSynced } from './files.ts'
import type { Part } from './port.ts'

/** What is known of an upload's parts, as a journal: a line a fact, each with its own checksum. */
export interface Facts {
  /** Bytes from one part's begin to the next; null until the first part says it. */
  stride: number | null
  parts: Map<number, Part>
}

export type Fact = { n: number; size: number; etag: string } | { n: number; removed: true } | { stride: number }

/** Lines that may be there for nothing before the journal is written anew. */
const wasteLimit = 1_000

export function apply(facts: Facts, fact: Fact): void {
  if ('stride' in fact) facts.stride = fact.stride
  else if ('removed' in fact) facts.parts.delete(fact.n)
  else facts.parts.set(fact.n, { part_number: fact.n, size: fact.size, etag: fact.etag })
}

/**
 * Reads a journal; what this resolves with is durable. A last line that a power cut has torn is cut off.
 * @param doubtful whether a sync of it has failed before: then what the disk holds is not what is read.
 */
export async function loadFacts(path: string, doubtful: boolean): Promise<Facts> {
  const { facts, lines, torn } = decode(await readFile(path, 'latin1'))
  if (torn || doubtful || lines > facts.parts.size + wasteLimit) await rewrite(path, facts)
  else await syncFile(path)
  return facts
}

function decode(text: string): { facts: Facts; lines: number; torn: boolean } {
  const facts: Facts = { stride: null, parts: new Map() }
  let lines = 0
  for (let start = 0; start < text.length; lines++) {
    const end = text.indexOf('\n', start)
    const json = text.slice(start + 9, end)
    if (end < 0 || text.slice(start, start + 9) !== `${sumOf(json)} `) return { facts, lines, torn: true }
    apply(facts, JSON.parse(json))
    start = end + 1
  }
  return { facts, lines, torn: false }
}

function encode(facts: readonly Fact[]): string {
  return facts
    .map((fact) => {
      const json = JSON.stringify(fact)
      return `${sumOf(json)} ${json}\n`
    })
    .join('')
}

function sumOf(json: string): string {
  return crc32(json).toString(16).padStart(8, '0')
}

async function rewrite(path: string, { stride, parts }: Facts): Promise<void> {
  const fresh = `${path}.new`
  const lines: Fact[] = [...parts.values()].map(({ part_number: n, size, etag }) => ({ n, size, etag }))
  await removeQuietly(fresh)
  await writeSynced(fresh, encode(stride === null ? lines : [{ stride }, ...lines]))
  await rename(fresh, path)
  await syncFolder(dirname(path))
}

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.datasync()
  } finally {
    await handle.close()
  }
}

/** Makes facts durable, and their bytes before them. */
export interface Journal {
  /** Resolves when the facts and all bytes written before are durable. */
  record(handles: UploadHandles, ...facts: Fact[]): Promise<void>
  /** Nothing is recorded any more. */
  fail(error: MediaError): void
}

export interface UploadHandles {
  data: DataFile
  /** Opened to append. */
  journal: FileHandle
}

interface Waiting {
  facts: Fact[]
  resolve(): void
  reject(error: MediaError): void
}

/**
 * Parts that end at the same time share one sync of the bytes and one of the journal.
 * @param onFailure told when a sync has failed: it is not known then what of the file is durable.
 */
export function openJournal(facts: Facts, onFailure: (error: MediaError) => void): Journal {
  let waiting: Waiting[] = []
  let running = false
  let failure: MediaError | null = null

  async function write({ data, journal }: UploadHandles, lines: readonly Fact[]): Promise<void> {
    if (failure) throw failure
    if (lines.length === 0 || lines.some((fact) => 'etag' in fact)) await data.handle.datasync()
    if (lines.length === 0) return
    await journal.appendFile(encode(lines))
    await journal.datasync()
  }

  async function run(handles: UploadHandles): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting
      waiting = []
      const lines = batch.flatMap((one) => one.facts)
      try {
        await write(handles, lines)
        for (const fact of lines) apply(facts, fact)
        for (const one of batch) one.resolve()
      } catch (error) {
        // A sync that comes after one that failed says nothing: the system has told of the loss once.
        const reason = failure ?? storageError(error, 'syncing an upload')
        failure = reason
        onFailure(reason)
        for (const one of batch) one.reject(reason)
      }
    }
    running = false
  }

  return {
    fail: (error) => {
      failure ??= error
    },
    record: (handles, ...given) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      waiting.push({ facts: given, resolve, reject })
      if (!running) {
        running = true
        void run(handles)
      }
      return promise
    },
  }
}
