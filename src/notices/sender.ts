import type { Chance, Clock } from '../media/clock.ts'
import type { Delivery } from '../media/deliveries.ts'
import type { Log } from '../media/log.ts'
import type { MediaView } from '../media/record.ts'
import { type Metadata, readView } from '../metadata/port.ts'
import type { Bell } from './bell.ts'
import { afterTry, ended, handedBack, isBusy, readRetryAfter, taken } from './delivering.ts'
import type { Endpoint } from './endpoints.ts'
import type { Answer, Poster } from './post.ts'
import { signNotice } from './sign.ts'

/** How a try ended. */
export type TryOutcome = 'delivered' | 'retried' | 'failed'

export interface SenderOptions {
  metadata: Pick<Metadata, 'deliveries' | 'get' | 'getJob'>
  poster: Pick<Poster, 'post'>
  clock: Clock
  chance: Chance
  log: Log
  /** The media as the API shows it. */
  describe: (view: MediaView) => object
  /** Seconds between tries. */
  schedule: readonly number[]
  /** Media at once. */
  width: number
  /** Milliseconds between two looks when nothing rings. */
  interval: number
  /** Told of each try, for figures. */
  onTry: (endpoint_id: string, outcome: TryOutcome) => void
  isGone: (endpoint: Endpoint) => boolean
  /** A 410: it wants no more; or a delivery: it does again. */
  setGone: (endpoint: Endpoint, gone: boolean) => Promise<void>
}

export interface SenderSignals {
  /** Begins no more. */
  signal: AbortSignal
  /** Cuts off what is on its way. */
  cut: AbortSignal
}

const longestPause = 30_000

/**
 * Sends what waits for one endpoint, some media at a time, each media's events in their order: while one fails, only
 * the later ones of the same media wait for it. Ends when told, with what was on its way.
 */
export async function serveEndpoint(
  endpoint: Endpoint,
  bell: Bell,
  options: SenderOptions,
  { signal, cut }: SenderSignals,
): Promise<void> {
  const { metadata, clock, log, width, interval } = options
  const busy = new Map<string, Promise<void>>()
  let [pausedUntil, failures] = [0, 0]

  const onFailure = (error: unknown) => {
    failures += 1
    pausedUntil = Math.max(pausedUntil, clock.now() + Math.min(interval * 2 ** failures, longestPause))
    log.warn({ endpoint: endpoint.id, error }, 'webhooks wait; trying again')
  }

  function begin(media_id: string, due: Delivery): void {
    const sending = sendMedia(due, endpoint, options, { signal, cut })
      .then((wait) => {
        failures = 0
        pausedUntil = Math.max(pausedUntil, clock.now() + wait)
      }, onFailure)
      .finally(() => {
        busy.delete(media_id)
        bell.ring()
      })
    busy.set(media_id, sending)
  }

  while (!signal.aborted) {
    const now = clock.now()
    const room = now < pausedUntil ? 0 : width - busy.size
    // Later events of what is being sent are due too: they are passed over.
    const due = room > 0 ? await metadata.deliveries.due(endpoint.id, now, 4 * width).catch(onFailure) : []
    let begun = 0
    for (const delivery of due ?? []) {
      if (begun === room || signal.aborted) break
      if (busy.has(delivery.media_id)) continue
      begin(delivery.media_id, delivery)
      begun += 1
    }
    await bell.wait(Math.max(1, Math.min(interval, pausedUntil > now ? pausedUntil - now : interval)), signal)
  }
  await Promise.all(busy.values())
}

/**
 * Sends a media's events that wait, from the first of them on, until one is not taken.
 * @returns milliseconds for which the receiver wants to be left alone
 */
async function sendMedia(
  due: Delivery,
  endpoint: Endpoint,
  options: SenderOptions,
  { signal, cut }: SenderSignals,
): Promise<number> {
  const { metadata, clock } = options
  const { deliveries } = metadata
  while (!signal.aborted) {
    const first = await deliveries.first(endpoint.id, due.media_id)
    if (!first) return 0
    const now = clock.now()
    if (first.due_at > now) {
      // Not its turn: it is looked at again when that of the one before it has come.
      if (due.seq > first.seq) await deliveries.replace({ ...due, due_at: first.due_at + 1 }, due.token)
      return 0
    }
    if (options.isGone(endpoint) && !(first.replayed_at !== null && first.attempts === 0)) {
      const refused = { ...first, last_error: 'not tried: the endpoint answered 410 before' }
      await deliveries.replace(ended(refused, 'failed', now), first.token)
      continue
    }
    const claimed = taken(first, now)
    if (!(await deliveries.replace(claimed, first.token))) return 0
    const answer = await tryOnce(claimed, endpoint, options, cut)
    const after = await noteTry(claimed, answer, options, cut)
    await tellOutcome(after, answer, endpoint, options)
    if (after.state === 'waiting') return isBusy(answer.status) ? readRetryAfter(answer.retryAfter, clock.now()) : 0
  }
  return 0
}

async function tryOnce(
  delivery: Delivery,
  { url, secrets }: Endpoint,
  { metadata, poster, clock, describe }: SenderOptions,
  cut: AbortSignal,
): Promise<Answer> {
  const { event_id, type, at, media_id, user_id } = delivery
  const record = await metadata.get(media_id)
  // Of a media that is gone nothing is told any more, whatever happened to it before.
  const isThere = record && record.status !== 'deleted'
  const data = isThere ? describe(await readView(metadata, record)) : { media_id, user_id, status: 'deleted' }
  const body = JSON.stringify({ type, timestamp: at, data })
  const signed = signNotice({ id: event_id, body, now: clock.now() }, secrets)
  const headers = { 'content-type': 'application/json', 'user-agent': 'Media-Service-Webhooks/1.0', ...signed }
  return await poster.post(url, { headers, body, signal: cut })
}

/** Tries to note what came of a try for as long as the try is ours: else it is made again. */
async function noteTry(
  claimed: Delivery,
  answer: Answer,
  { metadata, clock, chance, schedule }: SenderOptions,
  cut: AbortSignal,
): Promise<Delivery> {
  const now = clock.now()
  const cutOff = cut.aborted && answer.status === null
  const after = cutOff
    ? handedBack(claimed, now)
    : afterTry(claimed, answer, { now, random: chance.random(), schedule })
  for (;;) {
    try {
      await metadata.deliveries.replace(after, claimed.token)
      return after
    } catch (error) {
      if (cut.aborted || clock.now() >= claimed.due_at) throw error
      await clock.sleep(500 + chance.random() * 500, cut)
    }
  }
}

async function tellOutcome(
  { delivery_id, state, attempts, last_error }: Delivery,
  { status }: Answer,
  endpoint: Endpoint,
  { log, onTry, isGone, setGone }: SenderOptions,
): Promise<void> {
  onTry(endpoint.id, state === 'waiting' ? 'retried' : state)
  if (state !== 'delivered') log.warn({ delivery_id, state, attempts, reason: last_error }, 'webhook not taken')
  if (status === 410) {
    log.warn({ endpoint: endpoint.id }, 'a webhook endpoint answered 410 and is told no more')
    await setGone(endpoint, true)
  } else if (state === 'delivered' && isGone(endpoint)) {
    log.info({ endpoint: endpoint.id }, 'a webhook endpoint that had answered 410 is told again')
    await setGone(endpoint, false)
  }
}
