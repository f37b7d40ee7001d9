import { open } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import { closeQuietly, storing } from './files.ts'
import { type Fact, type Facts, openJournal, type UploadHandles } from './journal.ts'
import type { ObjectRef } from './port.ts'

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

export interface Writing {
  handles: UploadHandles
  /** Aborted when the sender leaves, the upload ends or another takes the slot. */
  signal: AbortSignal
  /** To be called whenever bytes have come. */
  moved(): void
  /** Resolves when the facts and all bytes written before are durable. */
  record(...facts: Fact[]): Promise<void>
}

/** How long a sender may be silent when another waits to send the same. */
const stuckMs = 5_000

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
    const data = await open(join(folder, dataName), 'r+')
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

interface Holder {
  stop: AbortController
  movedAt: number
}

/** Who writes in which slot. */
function openSlots(clock: Clock) {
  const last = new Map<string, Promise<void>>()
  const running = new Map<string, Holder>()
  const holders = new Set<Holder>()
  const emptied: (() => void)[] = []
  let shut: Promise<void> | null = null

  async function untilEmpty(): Promise<void> {
    if (holders.size > 0) await new Promise<void>((resolve) => emptied.push(resolve))
  }

  async function opened(): Promise<void> {
    while (shut) await shut
  }

  /** Resolves when the one before is done; one that is stuck is ended. */
  async function takeTurn(slot: string, before: Promise<void>, { signal }: AbortController): Promise<void> {
    const over = new AbortController()
    const { promise: aborted, reject } = Promise.withResolvers<never>()
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    void endStuck(slot, over.signal).catch(() => {})
    try {
      await Promise.race([before, aborted])
    } finally {
      over.abort()
      signal.removeEventListener('abort', onAbort)
    }
  }

  async function endStuck(slot: string, signal: AbortSignal): Promise<void> {
    for (;;) {
      await clock.sleep(stuckMs / 5, signal)
      const holder = running.get(slot)
      if (holder && clock.now() - holder.movedAt >= stuckMs) holder.stop.abort(sentAgain(slot))
    }
  }

  async function hold<T>(
    slot: string,
    signal: AbortSignal | undefined,
    work: (held: Pick<Writing, 'signal' | 'moved'>) => Promise<T>,
  ): Promise<T> {
    const before = last.get(slot)
    const { promise: done, resolve: release } = Promise.withResolvers<void>()
    last.set(slot, done)
    const holder: Holder = { stop: new AbortController(), movedAt: 0 }
    holders.add(holder)
    const moved = () => {
      holder.movedAt = clock.now()
    }
    const abort = () => holder.stop.abort(signal?.reason)
    signal?.addEventListener('abort', abort, { once: true })
    try {
      if (signal?.aborted) abort()
      if (before) await takeTurn(slot, before, holder.stop)
      holder.stop.signal.throwIfAborted()
      running.set(slot, holder)
      moved()
      return await work({ signal: holder.stop.signal, moved })
    } finally {
      signal?.removeEventListener('abort', abort)
      if (running.get(slot) === holder) running.delete(slot)
      holders.delete(holder)
      // Who left the queue keeps its place until those before are done.
      void Promise.resolve(before).then(() => {
        if (last.get(slot) === done) last.delete(slot)
        release()
      })
      if (holders.size === 0) for (const resolve of emptied.splice(0)) resolve()
    }
  }

  return {
    hold,
    /** Resolves when nobody works alone. */
    opened,
    alone: async <T>(work: () => Promise<T>): Promise<T> => {
      await opened()
      const { promise, resolve } = Promise.withResolvers<void>()
      shut = promise
      try {
        await untilEmpty()
        return await work()
      } finally {
        shut = null
        resolve()
      }
    },
    /** Sends everybody away; resolves when they are gone. */
    clear: async (reason: MediaError): Promise<void> => {
      for (const { stop } of holders) stop.abort(reason)
      await untilEmpty()
      await opened()
    },
  }
}

function sentAgain(slot: string): MediaError {
  return new MediaError('upload_interrupted', `${slot} was silent for ${stuckMs} ms and is sent again`)
}
