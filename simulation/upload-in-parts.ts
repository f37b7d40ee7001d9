import { codeOf } from '../src/media/errors.ts'
import { parseS3Url } from '../src/media/locations.ts'
import type { MediaRecord } from '../src/media/record.ts'
import type { Part, UploadRef } from '../src/objects/port.ts'
import type { Ask } from './requests.ts'
import { png } from './samples.ts'
import type { World } from './world.ts'

const user_id = 'ada'
const part_size = 30
const tries = 5

export interface UploadInParts {
  /** Null: nobody has heard of it. */
  begun: MediaRecord | null
  /** The media, when an answer said so. */
  acknowledged: MediaRecord | null
  /** True when an answer said that it was given up. */
  removed: boolean
  /** True when an answer said that there is no such upload while there was. */
  denied: boolean
}

/**
 * Begins an upload and sends it as a phone would: in parts or in one row, cut off and taken up again, finished more than
 * once; or gives it up, or forgets it.
 */
export async function uploadInParts(world: World, ask: Ask, title: string): Promise<UploadInParts> {
  const { random, metadata } = world
  const bytes = random() < 0.1 ? Buffer.from('<!doctype html><script>alert(1)</script>') : png
  const file_size = random() < 0.5 ? bytes.length : null
  const said = { title, filename: 'a.png', content_type: 'image/png' }
  const direct = random() < 0.6
  const door = direct ? 'direct' : 'tus'
  const begun = await ask(({ pending }) => pending.begin({ user_id, door, ...said, file_size, part_size }))
  const told: UploadInParts = { begun: begun ?? null, acknowledged: null, removed: false, denied: false }
  if (!begun?.upload) return told
  const { media_id, upload } = begun
  const ref = { ref: parseS3Url(upload.s3_url), upload_id: upload.upload_id }
  const sent = direct ? await sendParts(ask, { random, ref, bytes }) : await sendInARow(ask, { random, ref, bytes })
  const choice = random()
  if (choice < 0.1) return told
  if (choice < 0.25) {
    told.removed =
      (await insist(() => ask(({ pending }) => pending.abort(user_id, media_id).then(() => true)))) ?? false
    return told
  }
  const parts = sent && direct && random() < 0.7 ? sent : undefined
  const finish = () =>
    ask(({ pending }) =>
      pending.finish(user_id, media_id, parts).catch(async (error) => {
        const gone = (await metadata.get(media_id))?.status === 'deleted'
        if (codeOf(error) === 'not_found' && !gone) told.denied = true
        throw error
      }),
    )
  const twice = async () => {
    const [first, second] = await Promise.all([finish(), finish()])
    return first ?? second
  }
  // Without all of its bytes it is finished only by one who does not know how many there are.
  if (!sent && file_size === null) return told
  told.acknowledged = (await insist(random() < 0.3 ? twice : finish)) ?? null
  return told
}

interface Sending {
  random: () => number
  ref: UploadRef
  bytes: Buffer
}

/** Each part until it is answered; some are sent twice at a time, or again. Null when one never was. */
async function sendParts(ask: Ask, { random, ref, bytes }: Sending): Promise<Part[] | null> {
  const sent: Part[] = []
  for (let part_number = 1; (part_number - 1) * part_size < bytes.length; part_number++) {
    const piece = bytes.subarray((part_number - 1) * part_size, part_number * part_size)
    const put = () =>
      ask(({ objects }) => objects.putPart(ref, { part_number, size: piece.length, source: once(piece) }))
    const part = await insist(async () => (random() < 0.1 ? (await Promise.all([put(), put()]))[1] : await put()))
    if (!part) return null
    sent.push(part)
  }
  return sent
}

/** From where the store stands, again and again; some of it is cut off. Null when it never came to the end. */
async function sendInARow(ask: Ask, { random, ref, bytes }: Sending): Promise<Part[] | null> {
  return (
    (await insist(async () => {
      const held = await ask(({ objects }) => objects.heldOf(ref))
      if (!held) return undefined
      const { offset } = held
      if (offset === bytes.length) return held.parts
      const cut = random() < 0.4 ? random() * bytes.length : Number.POSITIVE_INFINITY
      const source = cutOff(bytes.subarray(offset), cut)
      await ask(({ objects }) => objects.append(ref, source, { offset, limit: bytes.length }))
      return undefined
    }, 3 * tries)) ?? null
  )
}

async function insist<T>(work: () => Promise<T | undefined>, times: number = tries): Promise<T | undefined> {
  for (let time = 0; time < times; time++) {
    const answer = await work()
    if (answer !== undefined) return answer
  }
  return undefined
}

async function* once(bytes: Buffer): AsyncIterable<Uint8Array> {
  yield bytes
}

/** Bytes in small pieces, and no end where the connection was cut. */
async function* cutOff(bytes: Buffer, cut: number): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 7) {
    if (at >= cut) throw new Error('simulated: the connection was cut')
    yield bytes.subarray(at, at + 7)
  }
}
