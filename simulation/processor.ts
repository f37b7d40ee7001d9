import assert from 'node:assert/strict'
import { MediaError } from '../src/media/errors.ts'
import { outputPrefix, parseS3Url, s3Url } from '../src/media/locations.ts'
import type { MediaRecord } from '../src/media/record.ts'
import { planFolder, segmentFolder } from '../src/media/segments.ts'
import type { ObjectStore } from '../src/objects/port.ts'
import type { CutTask, Playable, Processed, SegmentProcessor } from '../src/processing/process.ts'
import type { Host } from './faults.ts'

/** What the bytes of a simulated upload do to whoever processes them. */
export const fates = ['fine', 'slow', 'long', 'damaged', 'unlucky', 'poison'] as const
export type Fate = (typeof fates)[number]

/** A processor whose work is sleep and whose recipe is the upload's own title: the worker around it is the real one. */
export function openSimulatedProcessor(objects: ObjectStore, host: Host, random: () => number): SegmentProcessor {
  const processOrCut: SegmentProcessor['processOrCut'] = async (task) => {
    const { record, token, segments, signal, onProgress, onPlayable } = task
    if (!record.temp_s3_url) throw new MediaError('raw_missing', `no raw media of ${record.media_id}`)
    const raw = await objects.head(parseS3Url(record.temp_s3_url))
    if (!raw) throw new MediaError('raw_missing', `raw media of ${record.media_id} are gone`)
    const fate = fateOf(record)
    const steps = fate === 'slow' ? 30 : 3
    for (let step = 1; step <= steps; step++) {
      await host.clock.sleep(500 + random() * 4_000, signal)
      onProgress((step * 90) / steps)
    }
    if (fate === 'long' && (await needsCut(objects, record, segments))) {
      await store(objects, `${planFolder(record.media_id, token)}plan`)
      return { segments: segmentCount }
    }
    if (random() < 0.5) await onPlayable?.(await earlyOutputs(objects, record.media_id, token))
    if (fate === 'poison') host.kill()
    if (fate === 'damaged') throw new MediaError('undecodable', 'simulated: damaged')
    if (fate === 'unlucky' && record.attempts < 3) throw new MediaError('tool_crashed', 'simulated: crashed')
    const [main, thumbnail] = await storeOutputs(objects, record.media_id, token)
    return processedAs(main, thumbnail)
  }
  return {
    process: async (task) => {
      const made = await processOrCut({ ...task, segments: 'failed' })
      return 'segments' in made ? assert.fail('cut though it was not to be') : made
    },
    processOrCut,
    processSegment: async ({ record, segment, token, signal }) => {
      await host.clock.sleep(500 + random() * 20_000, signal)
      if (random() < 0.05) throw new MediaError('undecodable', 'simulated: a segment that cannot be read')
      if (random() < 0.1) throw new MediaError('tool_crashed', 'simulated: a segment that crashed')
      await store(objects, `${segmentFolder(record.media_id, segment, token)}720p`)
    },
  }
}

const segmentCount = 4

/** Whether it is to be cut: not when it was; then its segments are there, or could not be made. */
async function needsCut(
  objects: ObjectStore,
  { media_id }: MediaRecord,
  segments: CutTask['segments'],
): Promise<boolean> {
  if (segments === null || segments === 'failed') return segments === null
  for (const [n, token] of segments.tokens.entries()) {
    const key = `${segmentFolder(media_id, { plan: segments.plan, n }, token)}720p`
    assert.ok(await objects.head({ bucket: 'processed', key }), `${key} is gone`)
  }
  return false
}

export function fateOf({ title }: Pick<MediaRecord, 'title'>): Fate {
  return fates.find((fate) => title.startsWith(fate)) ?? 'fine'
}

async function storeOutputs(objects: ObjectStore, media_id: string, token: number): Promise<[string, string]> {
  const prefix = outputPrefix(media_id, token)
  return [await store(objects, `${prefix}jpeg-1600.jpg`), await store(objects, `${prefix}thumbnail.jpg`)]
}

async function store(objects: ObjectStore, key: string): Promise<string> {
  const ref = { bucket: 'processed', key }
  const staged = await objects.stage(bytesOf(key))
  await staged.commit(ref, { content_type: 'image/jpeg' })
  return s3Url(ref)
}

/** What a film can be played by while the rest is made. */
async function earlyOutputs(objects: ObjectStore, media_id: string, token: number): Promise<Playable> {
  const {
    content_type: _,
    warnings: __,
    checksum: ___,
    ...early
  } = processedAs(...(await storeOutputs(objects, media_id, token)))
  return early
}

async function* bytesOf(text: string): AsyncIterable<Uint8Array> {
  yield Buffer.from(text)
}

/** The result of a picture's processing, of which nothing but the addresses matters here. */
export function processedAs(processed_s3_url: string, thumbnail_s3_url: string | null): Processed {
  return {
    media_type: 'image',
    content_type: 'image/png',
    processed_s3_url,
    thumbnail_s3_url,
    width: 1,
    height: 1,
    duration: null,
    placeholder: null,
    dominant_color: null,
    warnings: [],
    checksum: 'sha256:0',
    renditions: [],
  }
}
