import type { CompleteUpload, InitUpload, Media, SignedPart, SignedParts, UploadPlan, UploadState } from './contract.ts'
import { codeOf, MediaClientError, MediaServiceError } from './errors.ts'
import { type Cut, type HeldParts, placeOf, sendParts } from './parts.ts'
import { backoffOf, isTransient, type Patience, sleep } from './patience.ts'
import type { Meter } from './progress.ts'
import type { Requests } from './requests.ts'
import type { Memory, Remembered } from './resume.ts'
import type { UploadFile } from './source.ts'

/** An upload in parts, straight to the store. */
export interface DirectUpload {
  source: UploadFile
  wish: InitUpload
  idempotency_key: string
  requests: Requests
  memory: Memory
  concurrency: number
  patience: Patience
  meter: Meter
  signal: AbortSignal
  /** Told as soon as the service has begun it. */
  onBegun(media_id: string): void
}

interface Begun extends Cut {
  media_id: string
  /** Under which it was begun. */
  title: string
  held: HeldParts
  /** Signed at the beginning. */
  first: readonly SignedPart[]
}

const door = '/api/media/upload'
/** Milliseconds that the store may take to put the parts together. */
const completeTime = 300_000
/** Times that parts which turn out to be missing are sent again. */
const mendings = 6
/** Milliseconds that the service remembers a key. */
const keyTime = 86_400_000
/** Milliseconds for the answer to the beginning, which no abort cuts short: it says what there is to go on with, or to remove. */
const beginTime = 10_000

export async function uploadDirect(upload: DirectUpload): Promise<Media> {
  const { memory } = upload
  try {
    const begun = await resumeOrBegin(upload)
    const media = await titled(upload, begun, await sendAndComplete(upload, begun))
    await memory.forget()
    return media
  } catch (error) {
    // Refused for good: to go on with it would be refused again.
    if (error instanceof MediaServiceError && isFinal(error)) await memory.forget()
    throw error
  }
}

function isFinal({ status, code }: MediaServiceError): boolean {
  return [404, 413, 415, 422].includes(status) && code !== 'invalid_parts'
}

/** Gives an upload up, as far as that can be done now; what cannot be reached expires by itself. */
export async function giveUp(
  { requests, memory }: Pick<DirectUpload, 'requests' | 'memory'>,
  media_id: string | null,
): Promise<void> {
  await memory.forget()
  if (media_id) await requests.json('DELETE', `${door}/${media_id}`, { timeout: 10_000 }).catch(() => {})
}

async function resumeOrBegin(upload: DirectUpload): Promise<Begun> {
  const known = await upload.memory.recall()
  if (!known || known.checksum !== (upload.wish.checksum ?? null)) return await begin(upload)
  return (await (known.media_id === null ? beginAgain(upload, known) : resume(upload, known))) ?? (await begin(upload))
}

/** The upload that was remembered for this file, where the service still has it and its cut fits. */
async function resume(upload: DirectUpload, { media_id, title }: Remembered): Promise<Begun | null> {
  const { patience, source, onBegun } = upload
  if (media_id === null) return null
  onBegun(media_id)
  try {
    const { parts, ...state } = await patience.insist(() => stateOf(upload, media_id))
    const cut = { part_size: state.part_size ?? 0, part_count: state.part_count ?? 0 }
    if (state.file_size !== source.size || !fits(cut, source.size)) return null
    return { media_id, title, ...cut, held: heldOf(parts, cut, source.size), first: [] }
  } catch (error) {
    if (codeOf(error) === 'not_found') return null
    // Complete already: there is nothing left to send.
    if (codeOf(error) === 'wrong_state') return { media_id, title, ...nothing, held: new Map(), first: [] }
    throw error
  }
}

const nothing: Cut = { part_size: 1, part_count: 0 }

/** The answer to the beginning was lost: under the same key the service answers the same upload. */
async function beginAgain(upload: DirectUpload, known: Remembered): Promise<Begun | null> {
  const { idempotency_key, title } = known
  if (title !== upload.wish.title) return null
  try {
    const begun = await begin({ ...upload, idempotency_key })
    return { ...begun, held: await upload.patience.insist(() => ask(upload, begun)) }
  } catch (error) {
    if (error instanceof MediaServiceError && [404, 409, 422].includes(error.status)) return null
    throw error
  }
}

async function begin({
  requests,
  memory,
  patience,
  wish,
  idempotency_key,
  source,
  onBegun,
}: DirectUpload): Promise<Begun> {
  const { title, checksum = null } = wish
  const about = { idempotency_key, title, checksum }
  // Before it is asked for: so a lost answer loses nothing.
  await memory.keep({ ...about, media_id: null, expires_at: new Date(Date.now() + keyTime).toISOString() })
  const headers = { 'idempotency-key': idempotency_key }
  try {
    const init = () => requests.json<UploadPlan>('POST', `${door}/init`, { body: wish, headers, timeout: beginTime })
    const { media_id, part_size, part_count, parts, expires_at } = await patience.insist(init)
    onBegun(media_id)
    if (!fits({ part_size, part_count }, source.size)) throw badCut(part_size, part_count)
    await memory.keep({ ...about, media_id, expires_at })
    return { media_id, title, part_size, part_count, held: new Map(), first: parts }
  } catch (error) {
    if (error instanceof MediaServiceError && !isTransient(error)) await memory.forget()
    throw error
  }
}

/** A cut that would leave bytes out must never be believed. */
function fits({ part_size, part_count }: Cut, total: number): boolean {
  return part_size > 0 && part_count === Math.max(1, Math.ceil(total / part_size))
}

function badCut(part_size: number, part_count: number): MediaClientError {
  const message = `The service wants ${part_count} parts of ${part_size} bytes, which do not make the file. Tell its operator.`
  return new MediaClientError('invalid_plan', message)
}

async function sendAndComplete(upload: DirectUpload, begun: Begun): Promise<Media> {
  const { patience, signal } = upload
  if (begun.part_count === 0) return await read(upload, begun.media_id)
  hold(upload, begun, begun.held)
  for (let mended = 0; ; mended++) {
    try {
      if (mended > 0) await refresh(upload, begun)
      await sendMissing(upload, begun)
      return await patience.insist(() => complete(upload, begun))
    } catch (error) {
      // Somebody else has finished it.
      if (codeOf(error) === 'wrong_state') return await read(upload, begun.media_id)
      if (codeOf(error) !== 'invalid_parts' || mended >= mendings) throw error
      // Somebody who sends the same upload may be putting the part in its place this moment.
      await sleep(backoffOf(mended), signal)
    }
  }
}

async function sendMissing(upload: DirectUpload, begun: Begun): Promise<void> {
  const { requests, signal } = upload
  const { media_id, held, first } = begun
  const sign = async (part_numbers: number[]) => {
    const options = { body: { part_numbers }, signal }
    return (await requests.json<SignedParts>('POST', `${door}/${media_id}/parts`, options)).parts
  }
  await sendParts({ ...upload, cut: begun, held, first, sign, ask: () => ask(upload, begun) })
  // Where the browser may not read ETags, the service can.
  if ([...held.values()].includes(null)) await refresh(upload, begun)
}

async function refresh(upload: DirectUpload, begun: Begun): Promise<void> {
  hold(upload, begun, await upload.patience.insist(() => ask(upload, begun)))
  begun.first = []
}

function hold({ meter, source }: DirectUpload, begun: Begun, held: HeldParts): void {
  begun.held = held
  meter.held([...held.keys()].map((part_number) => [part_number, placeOf(part_number, begun, source.size).size]))
}

async function complete({ requests, signal }: DirectUpload, { media_id, held }: Begun): Promise<Media> {
  const parts = [...held]
    .map(([part_number, etag]) => ({ part_number, etag: etag ?? '' }))
    .sort((a, b) => a.part_number - b.part_number)
  const body: CompleteUpload = { parts }
  return await requests.json('POST', `${door}/${media_id}/complete`, { body, signal, timeout: completeTime })
}

async function read({ requests, patience, signal }: DirectUpload, media_id: string): Promise<Media> {
  return await patience.insist(() => requests.json('GET', `/api/media/${media_id}`, { signal }))
}

/** Gone on with under another title: the last one given counts. */
async function titled({ requests, patience, signal, wish }: DirectUpload, begun: Begun, media: Media): Promise<Media> {
  if (begun.title === wish.title) return media
  const options = { body: { title: wish.title }, signal }
  return await patience.insist(() => requests.json('PATCH', `/api/media/${media.media_id}`, options))
}

async function stateOf({ requests, signal }: DirectUpload, media_id: string): Promise<UploadState> {
  return await requests.json('GET', `${door}/${media_id}`, { signal })
}

async function ask(upload: DirectUpload, begun: Begun): Promise<HeldParts> {
  return heldOf((await stateOf(upload, begun.media_id)).parts, begun, upload.source.size)
}

/** Parts that are there in the size that the cut gives them. */
function heldOf(parts: UploadState['parts'], cut: Cut, total: number): HeldParts {
  const fitting = parts.filter(
    ({ part_number, size }) => part_number <= cut.part_count && size === placeOf(part_number, cut, total).size,
  )
  return new Map(fitting.map(({ part_number, etag }) => [part_number, etag]))
}
