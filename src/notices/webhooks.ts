import { isoTime } from '../media/clock.ts'
import type { MediaEvent } from '../media/record.ts'
import type { Metadata } from '../metadata/port.ts'
import { type Bell, openBell } from './bell.ts'
import { newDelivery } from './delivering.ts'
import { type Endpoint, fingerprintOf } from './endpoints.ts'
import { type HeldPlace, takePlace } from './held-place.ts'
import { type SenderOptions, serveEndpoint } from './sender.ts'

/** Tells the endpoints what happens to media. */
export interface Webhooks {
  /** Lets what is on its way end within some seconds, and leaves the rest to another process at once. */
  stop(): Promise<void>
}

export interface WebhooksOptions
  extends Omit<SenderOptions, 'metadata' | 'width' | 'interval' | 'isGone' | 'setGone' | 'onTry'>,
    Partial<Pick<SenderOptions, 'interval' | 'onTry'>> {
  metadata: Pick<Metadata, 'deliveries' | 'get' | 'getJob' | 'readLog' | 'takeCursor' | 'moveCursor'>
  endpoints: readonly Endpoint[]
  /** Milliseconds until another process takes over from one that died. */
  lease?: number
}

/** Requests at once, of all endpoints: each has its share, so that none that hangs holds up another. */
const requestsAtOnce = 256
const requestsEach = 8
const page = 100
const expireEvery = 3_600_000
/** What is on its way at the stop may take so long. Milliseconds. */
const lastTime = 3_000
/** Clocks of the processes that write the log differ. Milliseconds. */
const skew = 10_000

/**
 * Follows the event log, in one process at a time, and notes a delivery for each event and endpoint before the place in
 * the log moves on: so none is lost. A delivery is a row of its own, not a job (docs/decisions/0026-webhooks.md).
 */
export function startWebhooks({
  interval = 500,
  lease = 15_000,
  onTry = () => {},
  ...given
}: WebhooksOptions): Webhooks {
  const { metadata, clock, log, endpoints } = given
  const active = endpoints.filter(({ disabled }) => !disabled)
  const width = Math.max(1, Math.min(requestsEach, Math.floor(requestsAtOnce / Math.max(1, active.length))))
  const bells = new Map(active.map(({ id }) => [id, openBell(clock)]))
  const first = { cursor: null, since: isoTime(clock.now() - skew), gone: {} }
  const stopping = new AbortController()
  const cutting = new AbortController()
  let failures = 0

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      const pause = await takeTurn().catch((error) => {
        failures += 1
        log.warn({ error, failures }, 'webhooks wait to be sent; trying again')
        return Math.min(interval * 2 ** failures, 30_000)
      })
      await clock.sleep(pause, stopping.signal).catch(() => {})
    }
  }

  /** Sends for as long as it may. Resolves with the milliseconds until it is worth asking again. */
  async function takeTurn(): Promise<number> {
    const held = await takePlace({ name: 'webhooks', metadata, clock, lease, first: structuredClone(first) })
    if (!held) return lease / 3
    const over = new AbortController()
    const signal = AbortSignal.any([stopping.signal, over.signal])
    const loops = [
      keepHeld(held, signal),
      follow(held, signal),
      forgetOld(signal),
      ...active.map((endpoint) => serve(endpoint, held, signal)),
    ]
    // Whichever fails ends all of them: another turn begins anew.
    const ends = loops.map((loop) => loop.finally(() => over.abort()))
    try {
      await Promise.all(ends)
    } finally {
      await Promise.allSettled(ends)
      await held.giveBack().catch((error) => log.warn({ error }, 'webhooks are free only after their lease'))
    }
    return interval
  }

  async function keepHeld(held: HeldPlace, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await clock.sleep(lease / 3, signal).catch(() => {})
      if (!signal.aborted && !(await held.keep())) return
    }
  }

  async function follow(held: HeldPlace, signal: AbortSignal): Promise<void> {
    const { place } = held
    while (!signal.aborted) {
      const { events, cursor } = await metadata.readLog(place.cursor, page)
      failures = 0
      if (events.length === 0) {
        await clock.sleep(interval, signal).catch(() => {})
        continue
      }
      const perMedia = [...Map.groupBy(events, ({ media_id }) => media_id).values()]
      await Promise.all(perMedia.map((some) => note(some, held)))
      place.cursor = cursor
      if (!(await held.keep())) return
    }
  }

  /** A media's events one after the other: the first that is there is the first to be sent. */
  async function note(events: readonly MediaEvent[], { place }: HeldPlace): Promise<void> {
    for (const event of events) {
      if (event.at < place.since) continue
      const told = active.filter((one) => one.events.includes(event.type) && !isGone(one, place.gone))
      for (const { id } of told) {
        await metadata.deliveries.add(newDelivery(event, id, clock.now()))
        bells.get(id)?.ring()
      }
    }
  }

  async function forgetOld(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      while ((await metadata.deliveries.expire(clock.now(), page)) === page && !signal.aborted);
      await clock.sleep(expireEvery, signal).catch(() => {})
    }
  }

  async function serve(endpoint: Endpoint, { place, keep }: HeldPlace, signal: AbortSignal): Promise<void> {
    const setGone = async (_: Endpoint, gone: boolean) => {
      if (gone) place.gone[endpoint.id] = fingerprintOf(endpoint)
      else delete place.gone[endpoint.id]
      await keep()
    }
    const options = { ...given, metadata, width, interval, onTry, setGone, isGone: () => isGone(endpoint, place.gone) }
    await serveEndpoint(endpoint, bells.get(endpoint.id) as Bell, options, { signal, cut: cutting.signal })
  }

  const running = run()
  return {
    stop: async () => {
      stopping.abort()
      const late = new AbortController()
      const cut = clock.sleep(lastTime, late.signal).then(
        () => cutting.abort(),
        () => {},
      )
      await running
      late.abort()
      await cut
    },
  }
}

/** While it is the same address that answered 410. */
function isGone(endpoint: Endpoint, gone: Record<string, string>): boolean {
  return gone[endpoint.id] === fingerprintOf(endpoint)
}
