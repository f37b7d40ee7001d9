import assert from 'node:assert/strict'
import { appendFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import sharp from 'sharp'
import { MediaError } from '../../media/errors.ts'
import { ffmpeg, inspect, openTestbed, run, type Testbed } from '../testbed.test.ts'
import { collectPeaks, drawWaveform } from './waveform.ts'

describe('sound', () => {
  let bed: Testbed
  before(async () => {
    bed = await openTestbed()
  })
  after(async () => await bed.close())

  const file = (name: string) => join(bed.folder, name)
  const make = (path: string) => bed.process(path, { media_type: 'audio' })
  const tone = (seconds: number) => ['-f', 'lavfi', '-i', `sine=440:d=${seconds}`]

  test('becomes AAC in an MP4 with its index first, and a picture of its waveform', async () => {
    const path = file('tone.wav')
    await ffmpeg(...tone(3), '-ac', '2', '-metadata', 'title=Secret', path)
    const made = await make(path)
    assert.deepEqual([made.media_type, made.width, made.height, made.duration], ['audio', null, null, 3])
    assert.deepEqual(made.warnings, [])
    assert.match(made.processed_s3_url ?? '', /\/v1\/audio\.m4a$/)
    const { streams, format } = await inspect(await bed.pathOf(made, 'audio'))
    assert.deepEqual(
      streams.map(({ codec_name, channels }) => [codec_name, channels]),
      [['aac', 2]],
    )
    assert.ok(Math.abs(Number(format.duration) - 3) < 0.1)
    const thumbnail = await sharp(await bed.pathOf(made, 'thumbnail')).metadata()
    assert.deepEqual([thumbnail.width, thumbnail.height], [400, 125])
    assert.doesNotMatch(await run('exiftool', [await bed.pathOf(made, 'audio')]), /Secret|Lavf|Lavc/)
  })

  test('mono stays mono, 5.1 becomes stereo', async () => {
    const mono = file('mono.flac')
    const surround = file('surround.flac')
    await ffmpeg(...tone(1), '-ac', '1', mono)
    await ffmpeg(...tone(1), '-ac', '6', surround)
    const channels = async (path: string) =>
      (await inspect(await bed.pathOf(await make(path), 'audio'))).streams[0]?.channels
    assert.equal(await channels(mono), 1)
    assert.equal(await channels(surround), 2)
  })

  test('plain AAC is copied, not encoded again', async () => {
    const path = file('plain.m4a')
    await ffmpeg(...tone(2), '-ac', '2', '-c:a', 'aac', '-b:a', '96k', '-metadata', 'artist=Sender', path)
    const made = await make(path)
    const hash = async (of: string) =>
      await run('ffmpeg', ['-loglevel', 'error', '-i', of, '-map', '0:a', '-c', 'copy', '-f', 'hash', '-'])
    assert.equal(await hash(await bed.pathOf(made, 'audio')), await hash(path))
    assert.doesNotMatch(await run('exiftool', [await bed.pathOf(made, 'audio')]), /Sender/)
  })

  test('the cover becomes the thumbnail', async () => {
    const cover = file('cover.png')
    const path = file('covered.mp3')
    await sharp({ create: { width: 300, height: 300, channels: 3, background: '#f00' } })
      .png()
      .toFile(cover)
    await ffmpeg(
      ...tone(2),
      '-i',
      cover,
      '-map',
      '0',
      '-map',
      '1',
      '-c:v',
      'copy',
      '-disposition:v',
      'attached_pic',
      path,
    )
    const made = await make(path)
    assert.equal(made.media_type, 'audio')
    const { dominant } = await sharp(await bed.pathOf(made, 'thumbnail')).stats()
    assert.ok(dominant.r > 200 && dominant.b < 50)
  })

  test('a broken cover costs only the cover', async () => {
    const cover = file('broken.png')
    const path = file('broken-cover.mp3')
    await writeFile(
      cover,
      (
        await sharp({ create: { width: 300, height: 300, channels: 3, background: '#0f0' } })
          .png()
          .toBuffer()
      ).subarray(0, 60),
    )
    await ffmpeg(
      ...tone(2),
      '-f',
      'png_pipe',
      '-i',
      cover,
      '-map',
      '0',
      '-map',
      '1',
      '-c:v',
      'copy',
      '-disposition:v',
      'attached_pic',
      path,
    ).catch(async () => await coverByHand(path))
    const made = await make(path)
    assert.deepEqual(made.warnings, ['cover_unreadable'])
    assert.ok(made.thumbnail_s3_url)
  })

  /** An MP3 whose ID3 tag holds a picture of noise. */
  async function coverByHand(path: string): Promise<void> {
    const sound = file('sound.mp3')
    await ffmpeg(...tone(2), '-id3v2_version', '0', '-write_id3v1', '0', sound)
    const { readFile } = await import('node:fs/promises')
    const picture = Buffer.concat([
      Buffer.from('\0image/png\0\x03\0', 'latin1'),
      Buffer.from('89504e470d0a1a0a', 'hex'),
      Buffer.alloc(200, 7),
    ])
    const frame = Buffer.concat([Buffer.from('APIC'), uint32(picture.length), Buffer.from([0, 0]), picture])
    const length = [21, 14, 7, 0].map((bits) => (frame.length >> bits) & 0x7f)
    await writeFile(
      path,
      Buffer.concat([Buffer.from('ID3\x03\0\0', 'latin1'), Buffer.from(length), frame, await readFile(sound)]),
    )
  }

  test('its duration is what was decoded, whatever follows it', async () => {
    const path = file('garbage.mp3')
    await ffmpeg(...tone(2), '-b:a', '128k', '-write_xing', '0', path)
    await appendFile(path, Buffer.alloc(200_000, 0x55))
    const { duration } = await make(path)
    assert.ok(Math.abs((duration ?? 0) - 2) < 0.2, `${duration}`)
  })

  test('an MP4 with only sound is sound, whatever the door said', async () => {
    const path = file('sound-only.mp4')
    await ffmpeg(...tone(1), '-c:a', 'aac', path)
    const made = await bed.process(path, { media_type: 'video', content_type: 'video/mp4' })
    assert.deepEqual([made.media_type, made.content_type], ['audio', 'audio/mp4'])
  })

  test('noise with the name of a sound is refused', async () => {
    const path = file('noise.mp3')
    await writeFile(path, Buffer.from(Array.from({ length: 4096 }, (_, at) => at % 256)))
    await assert.rejects(make(path), (error) => error instanceof MediaError && error.code === 'undecodable')
  })
})

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

describe('peaks', () => {
  const samples = (values: number[]) => Buffer.from(Int16Array.from(values).buffer)

  test('hold the loudest of each stretch, whatever the length and the cuts', () => {
    const peaks = collectPeaks()
    const wave = samples(Array.from({ length: 160_000 }, (_, at) => (at < 80_000 ? 100 : -32_768)))
    for (let at = 0; at < wave.length; at += 777) peaks.add(wave.subarray(at, at + 777))
    assert.equal(peaks.seconds(), 20)
    assert.deepEqual(
      peaks.read(2).map((one) => Math.round(one * 1000)),
      [3, 1000],
    )
  })

  test('stay few over hours', () => {
    const peaks = collectPeaks()
    const minute = samples(Array.from({ length: 480_000 }, () => 1000))
    for (let at = 0; at < 120; at++) peaks.add(minute)
    assert.equal(peaks.seconds(), 7200)
    assert.ok(peaks.read(80).every((one) => Math.abs(one - 1000 / 32_768) < 1e-6))
  })

  test('of nothing draw a flat line', () => {
    assert.match(drawWaveform(collectPeaks()), /^<svg .*<\/svg>$/)
  })
})
