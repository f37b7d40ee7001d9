import type { Clock } from '../../media/clock.ts'
import type { ObjectRef } from '../../media/locations.ts'
import type { ServedFrom } from '../../media/measured.ts'
import type { ObjectStore } from '../../objects/port.ts'
import type { ByteRange } from '../range.ts'
import { openFile, type Source, sourceOf } from '../stream.ts'
import type { Fill } from './fill.ts'
import type { Entry, Storage } from './storage.ts'

/** Large objects of a store that is far away, on this machine's disk: each is brought once, however many read it. */
export interface KeptObjects {
  open(given: { ref: ObjectRef; size: number; range: ByteRange; signal: AbortSignal }): Promise<KeptSource>
  /** Lets go of all that a media has here. */
  forget(media_id: string): void
}

export type KeptSource = Source & { from: ServedFrom }

/** Bytes that a reader waits for; what lies farther ahead it is brought by itself. */
const nearby = 8 * 1024 * 1024
const restMs = 10_000

export function openKeptObjects(given: { objects: ObjectStore; storage: Storage; clock: Clock }): KeptObjects {
  const { objects, storage, clock } = given

  /** No entries are made until then: the disk is full, or broken. */
  let restsUntil = 0

  function bring(ref: ObjectRef, size: number): Entry {
    const now = clock.now()
    async function* body() {
      yield* (await objects.get(ref)).body
    }
    // A delivered key never changes: there is nothing to say of how long it is fresh.
    const entry = { key: ref.key, vary: [], status: 200, fields: [], requested_at: now, responded_at: now, size }
    const kept = storage.keep(entry, body())
    kept.fill?.done.catch(() => {
      restsUntil = clock.now() + restMs
    })
    return kept
  }

  /** What breaks here goes on from the store: the reader need not know. */
  async function* follow(ref: ObjectRef, fill: Fill, range: ByteRange, signal: AbortSignal) {
    let position = range.start
    try {
      for await (const chunk of fill.read(range, signal)) {
        position += chunk.length
        yield chunk
      }
    } catch {
      signal.throwIfAborted()
    }
    if (position <= range.end) yield* await fromStore(ref, { start: position, end: range.end }, signal)
  }

  async function fromStore(ref: ObjectRef, range: ByteRange, signal: AbortSignal) {
    return (await objects.get(ref, { range, signal })).body
  }

  return {
    open: async ({ ref, size, range, signal }) => {
      const known = storage.find(ref.key)[0]
      const entry = known ?? (clock.now() < restsUntil ? null : bring(ref, size))
      if (entry && !entry.fill) {
        const path = storage.pathOf(entry)
        const source = await openFile(path, { range, signal }).catch(() => null)
        if (source) return { ...source, from: 'disk' }
        storage.remove(entry) // somebody has taken its file
      }
      const near = entry?.fill && range.start <= entry.fill.received() + nearby
      const body = near ? follow(ref, entry.fill as Fill, range, signal) : await fromStore(ref, range, signal)
      // Who follows what is being brought for another asks nothing of the store.
      return { ...sourceOf(body, signal), from: near && known ? 'disk' : 'store' }
    },
    forget: (media_id) => storage.dropPrefix(`${media_id}/`),
  }
}
