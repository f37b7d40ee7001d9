import assert from 'node:assert/strict'
import { createWriteStream, existsSync, openAsBlob, readFileSync } from 'node:fs'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream } from 'node:stream/web'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import sharp from 'sharp'
import { openTarget, type Target } from '../target.ts'
import { type Expectation, readExpectation } from './expectations.ts'
import { checkLikeness, checkOutput, framesOf, type Rendition } from './outputs.ts'
import { medianOf, similarity, whatIsUnlike } from './similarity.ts'
import { checkWaveform, loudnessOf } from './sounds.ts'
import { checkStoryboard, checkStream, isBlack } from './streams.ts'

/**
 * Sends every file of a corpus of real and hostile media through a running service, by HTTP only, and holds it to the
 * line of the corpus' index. `npm run test:corpus -- path/to/corpus`, or CORPUS=path; with BASE_URL a service that runs.
 */

interface MediaRecord {
  media_id: string
  status: string
  media_type: string
  width: number | null
  height: number | null
  duration: number | null
  placeholder: string | null
  dominant_color: string | null
  checksum: string | null
  processed_s3_url: string | null
  thumbnail_s3_url: string | null
  error: { code: string; message: string } | null
  renditions: Rendition[]
}

const corpus = process.argv[2] ?? process.env.CORPUS
if (!corpus) throw new Error('Name the corpus: npm run test:corpus -- ../shared/corpus')
const [, ...lines] = readFileSync(join(resolve(corpus), 'INDEX.tsv'), 'utf8')
  .trim()
  .split('\n')
/** Of each film that can be compared: how much of its picture is left. */
const similarities: { file: string; left: number }[] = []
/** Enough of each to tell. */
const comparedFrames = 75
const perFile = { timeout: 10 * 60_000 }

describe('the corpus', { concurrency: 3 }, () => {
  let target: Target
  let folder: string
  before(async () => {
    target = await openTarget()
    folder = await mkdtemp(join(tmpdir(), 'corpus-'))
  })
  after(async () => {
    const health = await fetch(`${target.url}/healthz`)
    assert.equal(health.status, 200, 'the service stands')
    await target.stop()
    await rm(folder, { recursive: true, force: true })
  })

  for (const line of lines) {
    const [file = '', , , expected = '', why = ''] = line.split('\t')
    test(`${file}: ${expected} (${why})`, perFile, async () => {
      const expectation = readExpectation(expected)
      const path = join(resolve(corpus), file)
      const sent = await upload(target.url, path)
      if (sent === null) return assert.ok(expectation.outcomes.includes('refused'), 'refused at the door')
      const record = await settled(target.url, sent)
      if (record.status === 'failed') return checkFailure(record, expectation)
      assert.equal(record.status, 'processed')
      assert.ok(expectation.outcomes.includes('processed'), 'processed, and was to be refused')
      await checkRecord(record, expectation)
      await checkRenditions(record, expectation)
      if (record.media_type === 'video') await checkFilm(record, path)
      if (record.media_type === 'audio') await checkLoudness(record, path)
    })
  }

  /** The new media's id, or null when the door refused the file as no media. */
  async function upload(url: string, path: string): Promise<string | null> {
    const form = new FormData()
    form.set('title', basename(path))
    form.set('file', await openAsBlob(path), basename(path))
    const reply = await fetch(`${url}/api/media/upload`, { method: 'POST', body: form })
    const body = (await reply.json()) as { media_id: string; code?: string }
    if (reply.status === 415) {
      assert.equal(body.code, 'unsupported_media')
      return null
    }
    assert.equal(reply.status, 201, JSON.stringify(body))
    return body.media_id
  }

  async function settled(url: string, media_id: string): Promise<MediaRecord> {
    for (;;) {
      const record = (await (await fetch(`${url}/api/media/${media_id}`)).json()) as MediaRecord
      if (record.status === 'processed' || record.status === 'failed') return record
      await sleep(100)
    }
  }

  function checkFailure({ error }: MediaRecord, { outcomes, code }: Expectation): void {
    assert.ok(outcomes.includes('refused'), `failed: ${JSON.stringify(error)}`)
    assert.ok(error && error.message.length > 20, 'a message that a person understands')
    assert.doesNotMatch(error.message, /ffmpeg|sharp|Vips|\//)
    // The file is to blame, not the service.
    const faults = ['undecodable', 'unsupported_media', 'no_streams', 'too_many_pixels', 'output_mismatch']
    assert.ok(code ? error.code === code : faults.includes(error.code), error.code)
  }

  async function checkRecord(record: MediaRecord, { shown, asAudio }: Expectation): Promise<void> {
    if (shown) assert.deepEqual({ width: record.width, height: record.height }, shown)
    if (asAudio) assert.equal(record.media_type, 'audio')
    assert.ok(record.placeholder && record.processed_s3_url && record.thumbnail_s3_url)
    assert.match(record.checksum ?? '', /^sha256:[0-9a-f]{64}$/)
    const names = record.renditions.map(({ name }) => name).toSorted()
    if (record.media_type === 'video') checkNames(names)
    if (record.media_type === 'audio') {
      const always = ['audio', 'opus', 'thumbnail', 'waveform', 'waveform-png']
      assert.deepEqual(
        names.filter((name) => name !== 'cover'),
        always,
      )
    }
    if (record.media_type === 'image') return checkPictures(record, names)
    // No claim of a header: what its main output really lasts.
    const main = record.renditions.find(({ name }) => name === '720p' || name === 'audio')
    assert.ok(Math.abs((record.duration ?? 0) - (main?.duration ?? -1)) < 0.1, `${record.duration} s`)
  }

  /** All that a film has; sound and subtitles where it brought any. */
  function checkNames(names: string[]): void {
    const always = ['720p', 'hls', 'poster', 'preview', 'storyboard', 'storyboard.vtt', 'thumbnail']
    assert.deepEqual(
      names.filter((name) => name !== 'audio' && !name.startsWith('subtitles-')),
      always,
    )
  }

  /** Every picture has every name; an animation has no AVIF and no master. */
  function checkPictures({ dominant_color, renditions }: MediaRecord, names: string[]): void {
    const still = names.includes('png-1600') ? 'png' : 'jpeg'
    const isStill = names.includes('master')
    const formats = isStill ? ['avif', still, 'webp'] : [still, 'webp']
    const all = formats.flatMap((format) => ['1600', '400', '800'].map((width) => `${format}-${width}`))
    assert.deepEqual(names, [...all, ...(isStill ? ['master'] : []), 'thumbnail'].toSorted())
    assert.match(dominant_color ?? '#000000', /^#[0-9a-f]{6}$/)
    const sizes = renditions.filter(({ name }) => name.endsWith('-800')).map(({ width, height }) => [width, height])
    assert.equal(new Set(sizes.map(String)).size, 1, 'all formats have one size')
  }

  async function checkRenditions(record: MediaRecord, expectation: Expectation): Promise<void> {
    const still = join(folder, `${record.media_id}-still`)
    // What names other files is looked at with those.
    const files = record.renditions.filter(({ name }) => name !== 'hls' && name !== 'storyboard.vtt')
    for (const rendition of files) {
      const path = join(folder, `${record.media_id}-${rendition.name}`)
      await download(`${target.url}/api/media/download/${record.media_id}?rendition=${rendition.name}`, path, rendition)
      await checkOutput(path, rendition)
      if (rendition.name === 'waveform') await checkWaveform(path)
      if (rendition.name === 'thumbnail' && record.media_type === 'image') checkSquare(record, rendition)
      else if (rendition.name !== 'storyboard') checkShape(record, rendition)
      // The first of them is what the others must look like.
      if (/^(?:jpeg|png|webp|avif)-\d+$|^master$/.test(rendition.name)) {
        await sharp(path)
          .png()
          .toFile(still + 1)
        if (existsSync(still)) await checkLikeness(still, still + 1, rendition.name)
        else await rename(still + 1, still)
      }
      const { frames } = expectation
      if (frames !== null && rendition.name === 'webp-1600') assert.equal((await sharp(path).metadata()).pages, frames)
      await rm(path)
    }
    for (const left of [still, still + 1]) await rm(left, { force: true })
  }

  /** Its frames are those of its source, its still shows something, and its stream and storyboard are what it is. */
  async function checkFilm(record: MediaRecord, source: string): Promise<void> {
    const { media_id, duration, width, height, renditions } = record
    const address = (name: string) => `${target.url}/api/media/download/${media_id}?rendition=${name}`
    const signed = async (name: string) => {
      const reply = await fetch(address(name), { headers: { accept: 'application/json' } })
      return ((await reply.json()) as { url: string }).url
    }
    const named = (name: string) => renditions.find((one) => one.name === name) ?? assert.fail(`no ${name}`)
    const path = join(folder, `${media_id}-film`)
    await download(address('720p'), path, named('720p'))
    const [frames, sent] = [await framesOf(path), await framesOf(source)]
    assert.ok(frames >= sent * 0.95 - 1 && frames <= sent + 1, `${frames} frames of ${sent}`)
    if (frames === sent) await compare(path, source, named('720p'))
    await download(address('poster'), path, named('poster'))
    const mayBeBlack = basename(source).includes('lowbitrate')
    assert.ok(mayBeBlack || !(await isBlack(path)), 'a still that shows something')
    await rm(path)
    const film = { duration: duration ?? 0, frames, width: width ?? 0, height: height ?? 0 }
    await checkStream(await signed('hls'), film, folder)
    await checkStoryboard(await signed('storyboard.vtt'), film)
  }

  async function compare(path: string, source: string, { width, height }: Rendition): Promise<void> {
    if ((await whatIsUnlike(source)) !== null) return
    const size = { width: width ?? 0, height: height ?? 0, frames: comparedFrames }
    similarities.push({ file: basename(source), left: await similarity(path, source, size) })
  }

  /** What is long enough to be judged is as loud as all others, and nothing goes over. */
  async function checkLoudness({ media_id, duration, renditions }: MediaRecord, source: string): Promise<void> {
    const sent = await loudnessOf(source)
    for (const name of ['audio', 'opus']) {
      const rendition = renditions.find((one) => one.name === name) ?? assert.fail(`no ${name}`)
      const path = join(folder, `${media_id}-${name}`)
      await download(`${target.url}/api/media/download/${media_id}?rendition=${name}`, path, rendition)
      const { loudness, peak } = await loudnessOf(path)
      await rm(path)
      assert.ok(peak <= -1, `${name}: ${peak} dBTP`)
      // What is almost silent stays so.
      if ((duration ?? 0) < 3 || sent.loudness < -45) continue
      assert.ok(Math.abs(loudness + 16) <= 1, `${name}: ${loudness} LUFS`)
    }
  }

  async function download(url: string, path: string, rendition: Rendition): Promise<void> {
    const reply = await fetch(url)
    assert.equal(reply.status, 200, `${rendition.name}: ${reply.url}`)
    assert.equal(reply.headers.get('content-type'), rendition.content_type)
    assert.ok(reply.redirected, 'by a signed address')
    if (reply.body) await pipeline(Readable.fromWeb(reply.body as ReadableStream), createWriteStream(path))
    else await writeFile(path, '')
  }

  function checkSquare({ width, height }: MediaRecord, { width: side, height: other }: Rendition): void {
    assert.equal(side, other, 'a thumbnail is a square')
    assert.ok((side ?? 0) <= Math.min(400, width ?? 0, height ?? 0) + 1, 'not enlarged')
  }

  /** Upright like its source, of the same shape, and not larger. */
  function checkShape({ width, height, media_type }: MediaRecord, rendition: Rendition): void {
    if (width === null || height === null || rendition.width === null || rendition.height === null) return
    assert.ok(
      rendition.width <= Math.max(2, width) && rendition.height <= Math.max(2, height),
      `${rendition.name}: not enlarged`,
    )
    const off = Math.abs(rendition.width * height - rendition.height * width) / (Math.max(width, height) * 2)
    assert.ok(
      off <= 2,
      `${rendition.name} of a ${media_type} has another shape: ${rendition.width} × ${rendition.height}`,
    )
  }
})

test('what comes out of films looks like them', (run) => {
  // Those that are served as they came would hide the others.
  const made = similarities.filter(({ left }) => left < 1).toSorted((one, other) => one.left - other.left)
  const told = made.map(({ file, left }) => `${left.toFixed(4)} ${file}`)
  const median = medianOf(made.map(({ left }) => left))
  run.diagnostic(`median SSIM of ${made.length} films that were encoded: ${median.toFixed(4)}; the least ${told[0]}`)
  assert.ok(made.length === 0 || median >= 0.98, `${median}: ${told.join(', ')}`)
  assert.ok(
    made.every(({ left }) => left >= 0.95),
    told.join(', '),
  )
})
