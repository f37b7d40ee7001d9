import type { Clock } from '../../media/clock.ts'
import type { Log } from '../../media/log.ts'
import type { Metadata } from '../../metadata/port.ts'
import type { Storage } from '../cache/storage.ts'

const pauseMs = 30_000
const eachTurn = 20

/** Looks for media that were deleted elsewhere, a few at a time, so that nothing of them stays on this disk. */
export function startForgetting(given: {
  storage: Pick<Storage, 'keys'>
  metadata: Pick<Metadata, 'get'>
  clock: Clock
  log: Log
  forget: (media_id: string) => void
}): { stop(): void } {
  const { storage, metadata, clock, log, forget } = given
  const stopped = new AbortController()
  let left: string[] = []

  async function look(): Promise<void> {
    if (left.length === 0) left = [...new Set([...storage.keys()].map((key) => key.slice(0, key.indexOf('/'))))]
    for (const media_id of left.splice(0, eachTurn)) {
      const record = await metadata.get(media_id)
      if (!record || record.status === 'deleted') forget(media_id)
    }
  }

  async function run(): Promise<void> {
    for (;;) {
      await clock.sleep(pauseMs, stopped.signal)
      await look().catch((error) => log.warn({ error }, 'deleted media were not looked for'))
    }
  }

  run().catch(() => {}) // it ends by being stopped
  return { stop: () => stopped.abort() }
}
