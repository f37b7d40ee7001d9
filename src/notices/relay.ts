import type { Clock } from '../media/clock.ts'
import type { Log } from '../media/log.ts'
import type { HeldCursor, Metadata } from '../metadata/port.ts'
import type { EventTopic } from '../queue/port.ts'

/** Publishes the event log on the topic for other systems. */
export interface Relay {
  /** Ends with the batch at hand, and leaves the log to another process at once. */
  stop(): Promise<void>
}

export interface RelayOptions {
  metadata: Pick<Metadata, 'readLog' | 'takeCursor' | 'moveCursor'>
  events: EventTopic
  clock: Clock
  log: Log
  /** Milliseconds between two looks at a log in which nothing is new. */
  interval?: number
  /** Milliseconds until another process takes over from one that died; longer than a publish may take. */
  lease?: number
  /** Events published at once. */
  batch?: number
}

/** How far the log is published. */
interface Place {
  /** Of the log: everything before it is on the topic. */
  cursor: string | null
  /** Of the topic, taken before anything after `cursor` was published. */
  mark: string
  /** Ids that are on the topic before `mark` already, though the log has them only after `cursor`. */
  ahead: string[]
}

const cursorName = 'events-topic'
const longestPause = 30_000
/** So many ids fit into a named cursor; there are more than a batch of them only where several publishers died in a row. */
const mostAhead = 500

/**
 * Follows the event log, in one process at a time, and publishes each event once by its id: whoever takes over reads what
 * of it is on the topic since the last place that was noted, and passes over that.
 *
 * What cannot be excluded: a process that stood still for longer than its lease while a batch was on its way to the
 * brokers publishes that batch beside its successor. Readers tell by the id.
 */
export function startRelay({ interval = 500, lease = 30_000, batch = 100, ...given }: RelayOptions): Relay {
  const { metadata, events, clock, log } = given
  const stopping = new AbortController()
  const { signal } = stopping
  let failures = 0

  async function run(): Promise<void> {
    while (!signal.aborted) {
      const pause = await takeTurn().catch((error) => {
        failures += 1
        log.warn({ error, failures }, 'events wait to be published; trying again')
        return Math.min(interval * 2 ** failures, longestPause)
      })
      await clock.sleep(pause, signal).catch(() => {})
    }
  }

  /** Publishes for as long as it may. Resolves with the milliseconds until it is worth asking again. */
  async function takeTurn(): Promise<number> {
    const now = clock.now()
    const held = await metadata.takeCursor(cursorName, { now, lease_until: now + lease })
    if (held === null) return lease / 3
    const holder = openHolder(held, now + lease)
    try {
      await follow(holder)
      return interval
    } finally {
      // Also after an error: what of a batch is on the topic must be read again, by whomever.
      await holder.giveBack().catch((error) => log.warn({ error }, 'the events topic is free only after its lease'))
    }
  }

  function openHolder({ token, value }: HeldCursor, until: number) {
    let [saved, lease_until] = [value, until]
    return {
      place: value === null ? null : (JSON.parse(value) as Place),
      /** Notes the place, if it is given, and lengthens the lease. Resolves false when it is another's. */
      keep: async (place?: Place): Promise<boolean> => {
        lease_until = clock.now() + lease
        if (place) saved = JSON.stringify(place)
        return await metadata.moveCursor(cursorName, { token, value: saved, lease_until })
      },
      isLate: () => clock.now() > lease_until - (lease * 2) / 3,
      giveBack: async () => void (await metadata.moveCursor(cursorName, { token, value: saved, lease_until: 0 })),
    }
  }

  async function follow(holder: ReturnType<typeof openHolder>): Promise<void> {
    const before = holder.place ?? { cursor: null, mark: await events.mark(), ahead: [] }
    // Before anything is published, so that there is a mark whatever happens.
    if (!holder.place && !(await holder.keep(before))) return
    let { cursor } = before
    const ahead = await readAhead(before)
    while (!signal.aborted) {
      const page = await metadata.readLog(cursor, batch)
      if (page.events.length === 0) {
        failures = 0
        await clock.sleep(interval, signal).catch(() => {})
        if (holder.isLate() && !(await holder.keep())) return
        continue
      }
      // With most of the lease before it, a publish is over when the lease is.
      if (holder.isLate() && !(await holder.keep())) return
      await events.publish(page.events.filter(({ event_id }) => !ahead.has(event_id)))
      for (const { event_id } of page.events) ahead.delete(event_id)
      cursor = page.cursor
      if (!(await holder.keep({ cursor, mark: await events.mark(), ahead: [...ahead] }))) return
      failures = 0
    }
  }

  /** What of the log after the place is on the topic already. */
  async function readAhead({ mark, ahead }: Place): Promise<Set<string>> {
    const ids = new Set(ahead)
    for await (const id of events.since(mark)) ids.add(id)
    if (ids.size <= mostAhead) return ids
    log.warn({ ids: ids.size }, 'more is published ahead of the log than can be noted: some may be published twice')
    return new Set([...ids].slice(-mostAhead))
  }

  const running = run()
  return {
    stop: async () => {
      stopping.abort()
      await running
    },
  }
}
