import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import sharp from 'sharp'
import { systemChance, systemClock } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import { silentLog } from '../media/log.ts'
import { parseSettings } from '../media/setting.ts'
import { openProcessor } from './pipeline.ts'
import type { Playable } from './process.ts'
import { processingSettings } from './settings.ts'
import { ffmpeg, openTestbed, type Testbed } from './testbed.test.ts'
import { findTools } from './tools/find.ts'
import { openRunner } from './tools/run.ts'
import { probeSandbox } from './tools/sandbox.ts'

const failsWith = (code: string) => (error: unknown) => error instanceof MediaError && error.code === code

describe('the processor', () => {
  let bed: Testbed
  let clip: string
  let picture: string
  before(async () => {
    bed = await openTestbed({ env: { VIDEO_PRESET: 'ultrafast' } })
    clip = join(bed.folder, 'clip.mkv')
    picture = join(bed.folder, 'picture.png')
    await ffmpeg('-f', 'lavfi', '-i', 'testsrc2=s=640x480:r=25:d=8', '-c:v', 'mpeg4', '-q:v', '5', clip)
    await sharp({ create: { width: 60, height: 40, channels: 3, background: '#123' } })
      .png()
      .toFile(picture)
  })
  after(async () => await bed.close())

  /** Folders of media; those of pictures waiting for theirs are not counted. */
  const leftovers = async () => (await readdir(bed.workRoot)).filter((name) => !name.startsWith('picture-'))

  test('reports progress that rises to 100, stores under its own version, and leaves nothing behind', async () => {
    const record = await bed.store(clip, { media_type: 'video' })
    const seen: number[] = []
    const signal = new AbortController().signal
    const made = await bed.processor.process({ record, token: 7, signal, onProgress: (percent) => seen.push(percent) })
    assert.deepEqual(
      seen,
      seen.toSorted((a, b) => a - b),
    )
    assert.equal(new Set(seen).size, seen.length)
    assert.equal(seen.at(-1), 100)
    // The still comes after half of the film: progress must not wait for it.
    assert.ok(
      seen.some((percent) => percent > 5 && percent < 45),
      `${seen}`,
    )
    assert.equal(made.processed_s3_url, `s3://processed/${record.media_id}/v7/720p.mp4`)
    assert.equal(
      made.checksum,
      `sha256:${createHash('sha256')
        .update(await readFile(clip))
        .digest('hex')}`,
    )
    assert.deepEqual(await leftovers(), [])
    for (const { name, etag, file_size, content_type } of made.renditions) {
      const bytes = await readFile(await bed.pathOf(made, name))
      assert.equal(etag, createHash('md5').update(bytes).digest('hex'))
      // Of a stream it is that of all its files.
      assert.ok(name === 'hls' ? file_size > bytes.length : file_size === bytes.length, name)
      assert.match(content_type, /^(?:video\/mp4|image\/(?:jpeg|webp)|text\/vtt|application\/vnd\.apple\.mpegurl)$/)
    }
  })

  test('a film is there to be played before the rest is stored, and is stored once', async () => {
    const record = await bed.store(clip, { media_type: 'video' })
    const signal = new AbortController().signal
    const stored = async () => {
      const keys: string[] = []
      for await (const { ref } of bed.objects.list('processed', `${record.media_id}/v3/`)) keys.push(ref.key)
      return keys.map((key) => key.split('/').slice(2).join('/'))
    }
    const told: Playable[] = []
    const onPlayable = async (early: Playable) => {
      told.push(early)
      assert.deepEqual(await stored(), ['720p.mp4', 'poster.jpg', 'thumbnail.jpg'])
    }
    const made = await bed.processor.process({ record, token: 3, signal, onProgress: () => {}, onPlayable })
    const [early, again] = told
    assert.ok(early && !again)
    assert.deepEqual([early.processed_s3_url, early.duration], [made.processed_s3_url, made.duration])
    assert.deepEqual(early.renditions, made.renditions.slice(0, 3))
    assert.ok((await stored()).includes('hls/master.m3u8'))
    const lost = new MediaError('lease_lost', 'somebody else has it')
    const refuse = async () => {
      throw lost
    }
    const late = { record, token: 4, signal, onProgress: () => {}, onPlayable: refuse }
    await assert.rejects(bed.processor.process(late), (error) => error === lost)
  })

  test('stops in the midst of a tool run when told to, and leaves nothing behind', async () => {
    const record = await bed.store(clip, { media_type: 'video' })
    const abort = new AbortController()
    const lost = new MediaError('lease_lost', 'somebody else has it')
    const onProgress = () => abort.abort(lost)
    await assert.rejects(
      bed.processor.process({ record, token: 1, signal: abort.signal, onProgress }),
      (error) => error === lost,
    )
    assert.deepEqual(await leftovers(), [])
    for await (const { ref } of bed.objects.list('processed', `${record.media_id}/`))
      assert.fail(`${ref.key} was stored`)
  })

  test('says so when the raw bytes are gone', async () => {
    const record = { ...(await bed.store(picture, { media_type: 'image' })), temp_s3_url: 's3://temp/gone' }
    const task = { record, token: 1, signal: new AbortController().signal, onProgress: () => {} }
    await assert.rejects(bed.processor.process(task), failsWith('raw_missing'))
    await assert.rejects(
      bed.processor.process({ ...task, record: { ...record, temp_s3_url: null } }),
      failsWith('raw_missing'),
    )
    assert.deepEqual(await leftovers(), [])
  })

  test('makes nothing of other bytes than those that were announced', async () => {
    const hash = createHash('sha256').update(await readFile(picture))
    const stored = await bed.store(picture, { media_type: 'image' })
    const process = async (checksum: string) => {
      const upload = {
        ...{ door: 'direct' as const, upload_id: 'u', s3_url: 's3://temp/a', part_size: null, file_size: null },
        ...{ checksum, expires_at: '2026-01-01T00:00:00.000Z', metadata: null },
      }
      const signal = new AbortController().signal
      return await bed.processor.process({ record: { ...stored, upload }, token: 1, signal, onProgress: () => {} })
    }
    await assert.rejects(process(`sha256:${'0'.repeat(64)}`), failsWith('checksum_mismatch'))
    assert.deepEqual(await leftovers(), [])
    for await (const { ref } of bed.objects.list('processed', `${stored.media_id}/`))
      assert.fail(`${ref.key} was stored`)
    const right = `sha256:${hash.digest('hex')}`
    assert.equal((await process(right)).checksum, right)
  })

  test('does several at a time, each picture in a process of its own', async () => {
    const all = await Promise.all(Array.from({ length: 4 }, () => bed.process(picture, { media_type: 'image' })))
    assert.equal(new Set(all.map((one) => one.processed_s3_url)).size, 4)
    assert.deepEqual(await leftovers(), [])
  })

  test('downloads and hashes what does not lie on this disk', async () => {
    const remote = await openTestbed({ remote: true })
    try {
      const made = await remote.process(picture, { media_type: 'image' })
      assert.equal(
        made.checksum,
        `sha256:${createHash('sha256')
          .update(await readFile(picture))
          .digest('hex')}`,
      )
      const record = { ...(await remote.store(picture, { media_type: 'image' })), temp_s3_url: 's3://temp/gone' }
      const task = { record, token: 1, signal: new AbortController().signal, onProgress: () => {} }
      await assert.rejects(remote.processor.process(task), failsWith('raw_missing'))
    } finally {
      await remote.close()
    }
  })

  test('clears away what a crash left, and works in the weak sandbox', async () => {
    const workRoot = join(bed.folder, 'old-work')
    await mkdir(join(workRoot, 'left', 'over'), { recursive: true })
    await writeFile(join(workRoot, 'left', 'over', 'file'), 'half')
    const settings = parseSettings(processingSettings, { VIDEO_PRESET: 'ultrafast' })
    const runner = openRunner({ sandbox: await probeSandbox('weak'), clock: systemClock })
    const { tools } = await findTools(settings)
    const shared = {
      objects: bed.objects,
      runner,
      tools,
      settings,
      clock: systemClock,
      chance: systemChance,
      log: silentLog,
    }
    const processor = await openProcessor({ ...shared, workRoot, takesVideo: true, processedBucket: 'processed' })
    try {
      assert.ok(!(await readdir(workRoot)).includes('left'))
      for (const [path, media_type] of [
        [picture, 'image'],
        [clip, 'video'],
      ] as const) {
        const record = await bed.store(path, { media_type })
        const task = { record, token: 1, signal: new AbortController().signal, onProgress: () => {} }
        assert.ok((await processor.process(task)).processed_s3_url)
      }
    } finally {
      await processor.close()
    }
  })

  test('refuses video where nothing keeps it apart, or ffmpeg is missing; pictures go on', async () => {
    const settings = parseSettings(processingSettings, {})
    const runner = openRunner({ sandbox: await probeSandbox('auto'), clock: systemClock })
    const { tools } = await findTools(settings)
    const shared = { objects: bed.objects, runner, settings, clock: systemClock, chance: systemChance, log: silentLog }
    const open = async (given: { tools: typeof tools; takesVideo: boolean }, name: string) =>
      await openProcessor({ ...shared, ...given, workRoot: join(bed.folder, name), processedBucket: 'processed' })
    const unsafe = await open({ tools, takesVideo: false }, 'unsafe')
    const bare = await open({ tools: null, takesVideo: true }, 'bare')
    const task = async (path: string, media_type: 'image' | 'video') => {
      const record = await bed.store(path, { media_type })
      return { record, token: 1, signal: new AbortController().signal, onProgress: () => {} }
    }
    try {
      await assert.rejects(unsafe.process(await task(clip, 'video')), failsWith('sandbox_missing'))
      await assert.rejects(bare.process(await task(clip, 'video')), failsWith('tool_missing'))
      assert.ok((await bare.process(await task(picture, 'image'))).processed_s3_url)
    } finally {
      await unsafe.close()
      await bare.close()
    }
  })
})

test('a missing or foreign ffmpeg is told in one line', async () => {
  const missing = await findTools({ ffmpeg: 'no-such-ffmpeg', ffprobe: 'ffprobe' })
  assert.match(missing.problem ?? '', /^ffmpeg was not found .*apt-get install ffmpeg.*FFMPEG_PATH\.$/)
  const foreign = await findTools({ ffmpeg: '/bin/true', ffprobe: 'ffprobe' })
  assert.match(foreign.problem ?? '', /is not ffmpeg/)
})
