import { openAddresses } from './addresses.ts'
import type { SignedPart } from './contract.ts'
import { MediaServiceError, ServiceUnreachable } from './errors.ts'
import type { Patience } from './patience.ts'
import type { Meter } from './progress.ts'
import type { Requests } from './requests.ts'
import { checkReadable, readSlice, type UploadFile } from './source.ts'

/** How a file is cut. */
export interface Cut {
  part_size: number
  part_count: number
}

/** ETags of the parts that the store holds; null where the browser may not read it. */
export type HeldParts = Map<number, string | null>

export interface SendParts {
  source: UploadFile
  cut: Cut
  /** What the store holds; grows. */
  held: HeldParts
  first: readonly SignedPart[]
  sign(part_numbers: number[]): Promise<readonly SignedPart[]>
  /** What the store holds now. */
  ask(): Promise<HeldParts>
  requests: Requests
  concurrency: number
  patience: Patience
  meter: Meter
  signal: AbortSignal
}

/**
 * Sends the parts that are not held, several at a time, each until it is stored.
 * @throws what stands in the way of any of them, when trying again does not help.
 */
export async function sendParts(given: SendParts): Promise<void> {
  const { cut, held, concurrency, signal } = given
  const waiting = range(cut.part_count).filter((part_number) => !held.has(part_number))
  const addresses = openAddresses({ ...given, waiting, ahead: 2 * concurrency })
  const stop = new AbortController()
  const end = () => stop.abort(signal.reason)
  signal.addEventListener('abort', end)
  if (signal.aborted) end()

  async function run(): Promise<void> {
    for (let part_number = waiting.shift(); part_number !== undefined; part_number = waiting.shift()) {
      held.set(part_number, await sendPart({ ...given, part_number, addresses, signal: stop.signal }))
    }
  }
  const runs = Array.from({ length: Math.min(concurrency, waiting.length) }, run)
  try {
    await Promise.all(runs)
  } catch (error) {
    stop.abort(error)
    await Promise.allSettled(runs)
    throw error
  } finally {
    signal.removeEventListener('abort', end)
  }
}

interface SendPart extends SendParts {
  part_number: number
  addresses: ReturnType<typeof openAddresses>
}

/** Its ETag, once it is stored. */
async function sendPart(given: SendPart): Promise<string | null> {
  const { part_number, addresses, patience, meter, cut, source } = given
  const { start, size } = placeOf(part_number, cut, source.size)
  for (let attempt = 0, refused = 0; ; attempt++) {
    const url = await patience.insist(() => addresses.of(part_number))
    let sent = 0
    try {
      const etag = await putPart({ ...given, url, start, size, onSent: (bytes) => (sent = bytes) })
      meter.stored(part_number, size)
      patience.progressed()
      return etag
    } catch (error) {
      meter.dropped(part_number)
      given.signal.throwIfAborted()
      refused = isRefusal(error) ? refused + 1 : 0
      // Expired most likely, or the upload is over: a fresh address tells.
      if (refused > 0) addresses.dropLike(url)
      addresses.drop(part_number)
      if (refused === 1) continue
      await checkReadable(source, start)
      const etag = sent >= size ? await foundOf(given, error) : undefined
      if (etag !== undefined) return etag
      await patience.wait(error, attempt)
    }
  }
}

/** 403: the signature. 404: the store knows no such upload. */
function isRefusal(error: unknown): boolean {
  return error instanceof MediaServiceError && (error.status === 403 || error.status === 404)
}

interface PutPart extends SendPart {
  url: string
  start: number
  size: number
  onSent(bytes: number): void
}

async function putPart({ source, part_number, url, start, size, requests, signal, meter, onSent }: PutPart) {
  const body = await readSlice(source, start, start + size)
  const hear = (bytes: number) => {
    onSent(bytes)
    meter.sent(part_number, Math.min(bytes, size))
  }
  const answer = await requests.put({ url, body, size, signal, onSent: hear })
  return answer.header('etag')
}

/** All bytes went and the answer was lost: a part that is stored need not be sent again. */
async function foundOf({ part_number, ask, patience, meter, cut, source }: SendPart, error: unknown) {
  if (!(error instanceof ServiceUnreachable)) return undefined
  const held = await patience.insist(ask)
  if (held.has(part_number)) meter.stored(part_number, placeOf(part_number, cut, source.size).size)
  return held.get(part_number)
}

/** Where a part lies in a file of `total` bytes. */
export function placeOf(part_number: number, { part_size }: Cut, total: number): { start: number; size: number } {
  const start = (part_number - 1) * part_size
  return { start, size: Math.min(part_size, total - start) }
}

export function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1)
}
