import assert from 'node:assert/strict'
import { once } from 'node:events'
import { open, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import sharp from 'sharp'
import { MediaError } from '../../media/errors.ts'
import type { Processed } from '../process.ts'
import { ffmpeg, inspect, openTestbed, run, type Stream, type Testbed } from '../testbed.test.ts'
import { hashOf } from './eyes.test.ts'

describe('video', () => {
  let bed: Testbed
  before(async () => {
    bed = await openTestbed({ env: { VIDEO_PRESET: 'ultrafast', VIDEO_MAX_PIXELS: '3000000' } })
  })
  after(async () => await bed.close())

  const file = (name: string) => join(bed.folder, name)
  const make = (path: string) => bed.process(path, { media_type: 'video' })
  const failsWith = (code: string) => (error: unknown) => error instanceof MediaError && error.code === code
  const picture = (size: string, seconds = 1, rate = 25) => [
    '-f',
    'lavfi',
    '-i',
    `testsrc2=s=${size}:r=${rate}:d=${seconds}`,
  ]
  const tone = (seconds = 1) => ['-f', 'lavfi', '-i', `sine=440:d=${seconds}`]
  const h264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p']

  /** What must be true of every `720p`. */
  const check = async (made: Processed): Promise<{ video: Stream; audio: Stream | undefined; path: string }> => {
    const path = await bed.pathOf(made, '720p')
    const { streams } = await inspect(path)
    const video = streams.find((one) => one.codec_type === 'video')
    const audio = streams.find((one) => one.codec_type === 'audio')
    assert.ok(video)
    assert.deepEqual([video.codec_name, video.pix_fmt], ['h264', 'yuv420p'])
    assert.deepEqual([video.width % 2, video.height % 2], [0, 0])
    assert.equal(video.side_data_list, undefined)
    assert.ok(['1:1', undefined].includes(video.sample_aspect_ratio))
    if (audio) assert.equal(audio.codec_name, 'aac')
    const head = (await readFile(path)).toString('latin1')
    assert.ok(head.indexOf('moov') < head.indexOf('mdat'), 'index first')
    const rendition = made.renditions.find(({ name }) => name === '720p')
    assert.deepEqual([rendition?.width, rendition?.height], [video.width, video.height])
    const thumbnail = await sharp(await bed.pathOf(made, 'thumbnail')).metadata()
    assert.equal(thumbnail.format, 'jpeg')
    assert.ok(Math.max(thumbnail.width, thumbnail.height) <= 640)
    assert.ok(made.placeholder)
    assert.match(made.dominant_color ?? '', /^#[0-9a-f]{6}$/)
    return { video, audio, path }
  }
  const withoutNotes = 'filter_units=remove_types=6'

  test('a large one is made smaller, with sound', async () => {
    const path = file('large.mp4')
    await ffmpeg(...picture('1920x1080'), ...tone(), ...h264, '-ac', '2', path)
    const made = await make(path)
    const { video, audio } = await check(made)
    assert.deepEqual([video.width, video.height, audio?.channels], [1280, 720, 2])
    assert.deepEqual([made.width, made.height, made.warnings], [1920, 1080, []])
    assert.equal(video.nb_read_packets, '25')
    assert.ok(Math.abs((made.duration ?? 0) - 1) < 0.1)
    assert.match(made.processed_s3_url ?? '', /\/v1\/720p\.mp4$/)
  })

  test('one that fits is copied, and what stands beside the picture is not', async () => {
    const path = file('fits.mp4')
    const told = [
      '-metadata',
      'title=Secret',
      '-metadata',
      'location=+48.2+16.3/',
      '-metadata:s:v',
      'handler_name=Secret',
    ]
    await ffmpeg(...picture('640x360'), ...tone(), ...h264, '-ac', '2', '-c:a', 'aac', ...told, path)
    const made = await make(path)
    const out = (await check(made)).path
    assert.equal(await hashOf(out, withoutNotes), await hashOf(path, withoutNotes))
    assert.doesNotMatch(await run('exiftool', ['-ee', '-a', out]), /Secret|48\.2|Lavf/)
    assert.doesNotMatch((await readFile(out)).toString('latin1'), /Secret|x264 - core/)
  })

  test('sound that does not fit is encoded beside a picture that is copied', async () => {
    const path = file('surround.mkv')
    await ffmpeg(...picture('640x360'), ...tone(), ...h264, '-ac', '6', '-c:a', 'ac3', path)
    const { audio, path: out } = await check(await make(path))
    assert.equal(audio?.channels, 2)
    assert.equal(await hashOf(out, withoutNotes), await hashOf(path, withoutNotes))
  })

  const sizes: [string, number, number][] = [
    ['161x121', 160, 120],
    ['1921x1081', 1280, 720],
    ['1080x1920', 404, 720],
    ['720x1280', 720, 1280],
    ['2000x100', 1280, 64],
    ['2x2', 2, 2],
    ['3x33', 2, 32],
  ]
  for (const [size, width, height] of sizes) {
    test(`${size} becomes even and is never enlarged`, async () => {
      const path = file(`size-${size}.mkv`)
      // Unlike `testsrc2`, it makes odd sizes.
      await ffmpeg('-f', 'lavfi', '-i', `testsrc=s=${size}:r=25:d=0.4`, '-c:v', 'ffv1', '-pix_fmt', 'yuv444p', path)
      const made = await make(path)
      const { video } = await check(made)
      // A picture that stands has a box that stands.
      const expected = size === '1080x1920' ? [720, 1280] : [width, height]
      assert.deepEqual([video.width, video.height], expected)
      assert.equal(`${made.width}x${made.height}`, size)
    })
  }

  for (const turn of [90, 180, 270]) {
    test(`stands upright when its matrix turns it by ${turn}° against the clock`, async () => {
      const path = file(`turned-${turn}.mp4`)
      const flat = file(`flat-${turn}.mp4`)
      // Red above, blue below, before it is turned.
      await ffmpeg(
        '-f',
        'lavfi',
        '-i',
        'color=red:s=320x240:d=0.4',
        '-vf',
        'drawbox=y=120:h=120:w=320:t=fill:c=blue',
        ...h264,
        flat,
      )
      await ffmpeg('-i', flat, '-c', 'copy', '-metadata:s:v', `rotate=${turn}`, path)
      const made = await make(path)
      const { video } = await check(made)
      const expected = turn === 180 ? [320, 240] : [240, 320]
      assert.deepEqual([made.width, made.height], expected)
      assert.deepEqual([video.width, video.height], expected)
      const { data, info } = await sharp(await bed.pathOf(made, 'thumbnail'))
        .raw()
        .toBuffer({ resolveWithObject: true })
      const redAt = (x: number, y: number) => (data[(y * info.width + x) * info.channels] ?? 0) > 150
      const corners = [
        redAt(10, 10),
        redAt(info.width - 10, 10),
        redAt(10, info.height - 10),
        redAt(info.width - 10, info.height - 10),
      ]
      const shown: Record<number, boolean[]> = {
        90: [true, false, true, false],
        180: [false, false, true, true],
        270: [false, true, false, true],
      }
      assert.deepEqual(corners, shown[turn])
    })
  }

  test('pixels that are not square become so', async () => {
    const path = file('wide-pixels.mp4')
    await ffmpeg(...picture('720x576', 0.4), '-vf', 'setsar=64/45', ...h264, path)
    const made = await make(path)
    const { video } = await check(made)
    assert.deepEqual([made.width, made.height], [1024, 576])
    assert.deepEqual([video.width, video.height], [1024, 576])
  })

  test('sound first, or no sound, is no trouble', async () => {
    const first = file('sound-first.mp4')
    await ffmpeg(...tone(), ...picture('320x240'), '-map', '0', '-map', '1', ...h264, first)
    assert.ok((await check(await make(first))).audio)
    const silent = file('silent.webm')
    await ffmpeg(...picture('320x240', 0.4), '-c:v', 'libvpx', silent)
    assert.equal((await check(await make(silent))).audio, undefined)
  })

  test('ten bits and full range become eight and limited', async () => {
    const ten = file('ten.mkv')
    await ffmpeg(...picture('320x240', 0.4), '-c:v', 'libx264', '-pix_fmt', 'yuv422p10le', ten)
    await check(await make(ten))
    const full = file('full.avi')
    await ffmpeg(...picture('320x240', 0.4), '-c:v', 'mjpeg', '-pix_fmt', 'yuvj420p', full)
    await check(await make(full))
  })

  for (const transfer of ['smpte2084', 'arib-std-b67']) {
    test(`high dynamic range (${transfer}) is brought to BT.709`, async () => {
      const path = file(`hdr-${transfer}.mkv`)
      const tags = ['-color_trc', transfer, '-color_primaries', 'bt2020', '-colorspace', 'bt2020nc']
      await ffmpeg(
        ...picture('320x240', 0.4),
        '-c:v',
        'libx265',
        '-preset',
        'ultrafast',
        '-x265-params',
        'log-level=none',
        '-pix_fmt',
        'yuv420p10le',
        ...tags,
        path,
      )
      assert.equal((await check(await make(path))).video.color_transfer, 'bt709')
    })
  }

  test('uneven times are kept, and a base of 1000 frames a second adds none', async () => {
    const path = file('uneven.mkv')
    await ffmpeg(
      ...picture('1400x800', 4, 30),
      '-vf',
      "select='not(mod(n,7))+lt(n,20)'",
      '-fps_mode',
      'vfr',
      ...h264,
      path,
    )
    const source = (await inspect(path)).streams[0]
    const made = await make(path)
    const { video } = await check(made)
    assert.equal(video.nb_read_packets, source?.nb_read_packets)
    assert.ok(Math.abs((made.duration ?? 0) - 4) < 0.5, `${made.duration}`)
  })

  test('more than 60 frames a second become at most 60', async () => {
    const path = file('fast.mp4')
    await ffmpeg(...picture('320x240', 1, 240), ...h264, path)
    const { video } = await check(await make(path))
    assert.ok(Number(video.nb_read_packets) <= 61 && Number(video.nb_read_packets) >= 55, video.nb_read_packets)
  })

  test('a film cut before its end is kept, with a warning', async () => {
    const path = file('cut.mp4')
    await ffmpeg(...picture('320x240', 4), ...h264, '-movflags', '+faststart', path)
    await truncate(path, Math.floor((await stat(path)).size * 0.8))
    const made = await make(path)
    assert.deepEqual(made.warnings, ['truncated'])
    assert.ok((made.duration ?? 0) > 2 && (made.duration ?? 0) < 4)
  })

  test('a film of which little is left is refused', async () => {
    const path = file('stump.mp4')
    await ffmpeg(...picture('320x240', 4), ...h264, '-movflags', '+faststart', path)
    await truncate(path, Math.floor((await stat(path)).size * 0.25))
    await assert.rejects(make(path), failsWith('output_mismatch'))
  })

  for (const share of [0.001, 0.02]) {
    test(`a film cut at ${share * 100} % is refused`, async () => {
      const path = file(`head-${share}.mp4`)
      await ffmpeg(...picture('320x240', 2), ...h264, path)
      await truncate(path, Math.max(10, Math.floor((await stat(path)).size * share)))
      await assert.rejects(make(path), failsWith('undecodable'))
    })
  }

  test('a film whose picture is noise is refused', async () => {
    const path = file('noise.mp4')
    await ffmpeg(...picture('640x360', 2), ...h264, '-movflags', '+faststart', path)
    const bytes = await readFile(path)
    const begin = bytes.indexOf('mdat') + 4
    // Every frame keeps its place and its size, and loses its content.
    for (let at = begin; at < bytes.length; at++) bytes[at] = (at * 2_654_435_761) >>> 13
    await writeFile(path, bytes)
    await assert.rejects(make(path), failsWith('undecodable'))
  })

  test('a film with a scratch is encoded, with a warning, and never copied', async () => {
    const path = file('scratched.mp4')
    await ffmpeg(...picture('640x360', 4), ...h264, '-g', '25', '-movflags', '+faststart', path)
    const { size } = await stat(path)
    const handle = await open(path, 'r+')
    for (const share of [0.4, 0.45, 0.5, 0.55])
      await handle.write(Buffer.alloc(2000, 0xff), 0, 2000, Math.floor(size * share))
    await handle.close()
    const made = await make(path)
    assert.deepEqual(made.warnings, ['damaged'])
    assert.notEqual(await hashOf((await check(made)).path, withoutNotes), await hashOf(path, withoutNotes))
  })

  test('sound that cannot be read costs only the sound', async () => {
    const path = file('deaf.avi')
    await ffmpeg(...picture('320x240', 1), ...tone(), ...h264, '-c:a', 'pcm_s16le', path)
    const bytes = await readFile(path)
    // A format number that nobody knows: `auds` … `fmt` of a WAVEFORMATEX.
    const at = bytes.indexOf('strf', bytes.indexOf('auds') + 4) + 8
    bytes.writeUInt16LE(0x7fff, at)
    await writeFile(path, bytes)
    const made = await make(path)
    assert.equal((await check(made)).audio, undefined)
    assert.equal(made.warnings.length, 1)
  })

  test('a playlist with the name of a film touches no other file and no port', async () => {
    let visits = 0
    const server = createServer((_, response) => {
      visits++
      response.end()
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : 0
    const canary = file('canary.ts')
    await ffmpeg(...picture('320x240', 0.4), ...h264, canary)
    const playlists = [
      `#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n${canary}\n#EXTINF:1,\nhttp://127.0.0.1:${port}/x.ts\n#EXT-X-ENDLIST\n`,
      `ffconcat version 1.0\nfile ${canary}\n`,
      `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>http://127.0.0.1:${port}/</BaseURL></MPD>`,
      `v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video ${port} RTP/AVP 96\n`,
    ]
    for (const [at, playlist] of playlists.entries()) {
      const path = file(`playlist-${at}.mp4`)
      await writeFile(path, playlist)
      await assert.rejects(make(path), failsWith('undecodable'))
    }
    server.close()
    assert.equal(visits, 0)
  })

  test('frames beyond the limit, and a file of subtitles only, are refused', async () => {
    const large = file('large-frames.mkv')
    await ffmpeg('-f', 'lavfi', '-i', 'color=red:s=2560x1440:d=0.04:r=25', '-c:v', 'mpeg4', large)
    await assert.rejects(make(large), failsWith('too_many_pixels'))
    const subtitles = file('subtitles.mkv')
    await writeFile(file('words.srt'), '1\n00:00:00,000 --> 00:00:01,000\nwords\n')
    await ffmpeg('-i', file('words.srt'), subtitles)
    await assert.rejects(make(subtitles), failsWith('no_streams'))
  })
})
