import { open } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../media/clock.ts'
import type { MediaError } from '../media/errors.ts'
import { openDataFile } from './data-file.ts'
import { closeQuietly, storing } from './files.ts'
import { type Fact, type Facts, openJournal, type UploadHandles } from './journal.ts'
import type { ObjectRef } from './port.ts'
import { openSlots, type Slot } from './slots.ts'

/** What is known of an upload from its begin on. */
export interface About {
  ref: ObjectRef
  content_type: string
  /** Bytes, or null: as the first part's. */
  part_size: number | null
  /** Milliseconds since the epoch. */
  created: number
}

/** One upload under way: who writes to it, and what of it is durable. */
export interface Upload {
  folder: string
  about: About
  facts: Facts
  /** While it is held it is not put out of memory. */
  users: number
  /** Set when it ends: resolves when that is done. What is to go on must be opened anew. */
  over: Promise<void> | null
  /** Writes in a slot, one at a time in each and in the order asked; one that is stuck gives way to the next. */
  write<T>(slot: string, signal: AbortSignal | undefined, work: (writing: Writing) => Promise<T>): Promise<T>
  /** Works while nobody writes: waits for those who do, and lets others wait. */
  alone<T>(work: (writing: Pick<Writing, 'handles' | 'record'>) => Promise<T>): Promise<T>
  /** Set once the distance of the parts is being fixed. */
  striding: Promise<void> | null
  /** Sends writers away with `reason`, waits until they are gone, then works alone. */
  end<T>(reason: MediaError, work: EndWork<T>): Promise<T>
  /** Ends it because it is no more known what is durable. */
  fail(error: MediaError): void
}

export type EndWork<T> = (handles: UploadHandles, record: Writing['record']) => Promise<T>

export interface Writing extends Slot {
  handles: UploadHandles
  /** Resolves when the facts and all bytes written before are durable. */
  record(...facts: Fact[]): Promise<void>
}

export const dataName = 'data'
export const journalName = 'parts.log'

export interface UploadGiven {
  folder: string
  about: About
  facts: Facts
  clock: Clock
  /** Told when it is over; `doubtful` when a sync of it has failed. */
  onOver(given: { doubtful: boolean }): void
}

export function openUpload({ folder, about, facts, clock, onOver }: UploadGiven): Upload {
  const slots = openSlots(clock)
  const files = openFiles(folder)
  const journal = openJournal(facts, (error) => upload.fail(error))
  let closed: MediaError | null = null

  async function end<T>(reason: MediaError, doubtful: boolean, work: EndWork<T>): Promise<T> {
    closed = reason
    const { promise, resolve } = Promise.withResolvers<void>()
    upload.over = promise
    let failed = true
    try {
      await slots.clear(reason)
      const result = await files.use((handles) => work(handles, (...given) => journal.record(handles, ...given)))
      failed = false
      return result
    } finally {
      onOver({ doubtful: doubtful || failed })
      resolve()
    }
  }

  const upload: Upload = {
    folder,
    about,
    facts,
    users: 0,
    over: null,
    striding: null,
    write: async (slot, signal, work) => {
      await slots.opened()
      if (closed) throw closed
      return await slots.hold(slot, signal, (held) =>
        files.use((handles) => work({ ...held, handles, record: (...given) => journal.record(handles, ...given) })),
      )
    },
    alone: async (work) =>
      await slots.alone(async () => {
        if (closed) throw closed
        return await files.use((handles) => work({ handles, record: (...given) => journal.record(handles, ...given) }))
      }),
    end: async (reason, work) => {
      if (closed) throw closed
      return await end(reason, false, work)
    },
    fail: (error) => {
      journal.fail(error)
      if (!closed) void end(error, true, async () => {}).catch(() => {})
    },
  }
  return upload
}

/** The upload's files, open as long as anybody uses them. */
function openFiles(folder: string) {
  let users = 0
  let opened: Promise<UploadHandles> | null = null

  async function openBoth(): Promise<UploadHandles> {
    const data = await openDataFile(join(folder, dataName), 'r+')
    try {
      return { data, journal: await open(join(folder, journalName), 'a') }
    } catch (error) {
      await closeQuietly(data)
      throw error
    }
  }

  return {
    use: async <T>(work: (handles: UploadHandles) => Promise<T>): Promise<T> => {
      users++
      opened ??= openBoth()
      const mine = opened
      try {
        return await work(await storing('opening an upload', () => mine))
      } finally {
        if (--users === 0) {
          opened = null
          const handles = await mine.catch(() => null)
          if (handles) await Promise.all([closeQuietly(handles.data), closeQuietly(handles.journal)])
        }
      }
    },
  }
}
