import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import sharp from 'sharp'
import { MediaError } from '../../media/errors.ts'
import { ffmpeg, inspect, openTestbed, run, type Testbed } from '../testbed.test.ts'
import { cleanTag, tagsFrom } from './audio-tags.ts'
import { collectPeaks, drawWaveform } from './waveform.ts'
import { waveformPng } from './waveform-png.ts'

describe('sound', () => {
  let bed: Testbed
  before(async () => {
    bed = await openTestbed()
  })
  after(async () => await bed.close())

  const file = (name: string) => join(bed.folder, name)
  const make = (path: string) => bed.process(path, { media_type: 'audio' })
  const tone = (seconds: number) => ['-f', 'lavfi', '-i', `sine=440:d=${seconds}`]

  /** Integrated loudness and true peak, as ffmpeg measures them. */
  async function measure(path: string): Promise<{ loudness: number; peak: number }> {
    const meter = ['-map', '0:a:0', '-af', 'ebur128=peak=true', '-f', 'null', '-']
    const said = await complaints('ffmpeg', ['-nostdin', '-hide_banner', '-nostats', '-i', path, ...meter])
    const [, loudness, peak] = /Summary:[^]*?I:\s+(\S+) LUFS[^]*?Peak:\s+(\S+) dBFS/.exec(said) ?? []
    return { loudness: Number(loudness), peak: peak === '-inf' ? Number.NEGATIVE_INFINITY : Number(peak) }
  }

  test('becomes AAC and Opus at 48 kHz, with its waveform as numbers and as pictures', async () => {
    const path = file('tone.wav')
    await ffmpeg(...tone(3), '-ac', '2', path)
    const made = await make(path)
    assert.deepEqual([made.media_type, made.width, made.height, made.duration], ['audio', null, null, 3])
    assert.deepEqual(made.warnings, [])
    assert.match(made.processed_s3_url ?? '', /\/v1\/audio\.m4a$/)
    assert.deepEqual(
      made.renditions.map(({ name, content_type }) => [name, content_type]),
      [
        ['audio', 'audio/mp4'],
        ['opus', 'audio/ogg'],
        ['thumbnail', 'image/jpeg'],
        ['waveform', 'application/json'],
        ['waveform-png', 'image/png'],
      ],
    )
    for (const [name, codec] of [
      ['audio', 'aac'],
      ['opus', 'opus'],
    ] as const) {
      const { streams, format } = await inspect(await bed.pathOf(made, name))
      assert.deepEqual(
        streams.map(({ codec_name, channels, sample_rate }) => [codec_name, channels, sample_rate]),
        [[codec, 2, '48000']],
      )
      assert.ok(Math.abs(Number(format.duration) - 3) < 0.1)
    }
    const thumbnail = await sharp(await bed.pathOf(made, 'thumbnail')).metadata()
    assert.deepEqual([thumbnail.width, thumbnail.height], [400, 125])
    const { data, ...head } = JSON.parse(await readFile(await bed.pathOf(made, 'waveform'), 'utf8'))
    const scale = { version: 2, channels: 1, sample_rate: 48_000, samples_per_pixel: 96, bits: 8 }
    assert.deepEqual(head, { ...scale, length: 1500 })
    assert.equal(data.length, 3000)
    assert.ok(Math.max(...data) > 20 && Math.min(...data) < -20 && data.every((one: number) => Math.abs(one) <= 128))
    const { channels } = await sharp(await bed.pathOf(made, 'waveform-png')).stats()
    assert.deepEqual([channels[3]?.min, channels[3]?.max], [0, 255])
  })

  describe('is as loud as all others', () => {
    const noise = (seconds: number, seed = 1) => [
      '-f',
      'lavfi',
      '-i',
      `anoisesrc=d=${seconds}:c=pink:r=44100:a=0.5:seed=${seed}`,
    ]
    const clap = 'volume=enable=lt(mod(t\\,2)\\,0.01):volume=26dB'
    const cases: Record<string, string[]> = {
      quiet: [...noise(4), '-af', 'volume=-20dB', '-ac', '2'],
      loud: [...noise(4), '-af', 'volume=6dB', '-ac', '2'],
      'beyond full scale': [...noise(4), '-af', 'volume=20dB', '-c:a', 'pcm_f32le'],
      'quiet with claps': [...noise(6), '-af', `volume=-24dB,${clap}`, '-ac', '2'],
    }
    for (const [name, args] of Object.entries(cases)) {
      test(name, async () => {
        const path = file(`${name}.wav`)
        await ffmpeg(...args, path)
        const made = await make(path)
        for (const rendition of ['audio', 'opus']) {
          const { loudness, peak } = await measure(await bed.pathOf(made, rendition))
          assert.ok(Math.abs(loudness + 16) <= 1, `${rendition}: ${loudness} LUFS`)
          assert.ok(peak <= -1, `${rendition}: ${peak} dBTP`)
        }
      })
    }

    test('but silence stays silent, hiss stays soft, and a moment is not made too loud', async () => {
      const silent = file('silent.flac')
      const hiss = file('hiss.wav')
      await ffmpeg('-f', 'lavfi', '-i', 'anullsrc=d=3.5', silent)
      await ffmpeg('-f', 'lavfi', '-i', 'anoisesrc=d=4:c=pink:a=0.002:seed=1', hiss)
      const made = async (path: string) => await measure(await bed.pathOf(await make(path), 'audio'))
      assert.equal((await made(silent)).loudness, -70)
      const { loudness } = await made(hiss)
      assert.ok(loudness < -20 && loudness > -40, `${loudness}`)
      // Coding adds most to an attack, and to some more than to others.
      for (const seed of [12, 16, 45]) {
        const moment = file(`moment-${seed}.wav`)
        await ffmpeg(...noise(0.5, seed), '-af', `volume=-24dB,${clap}`, moment)
        const { peak } = await made(moment)
        assert.ok(peak <= -1, `${peak} dBTP`)
      }
    })

    test('even where samples are no numbers', async () => {
      const path = file('nan.wav')
      const samples = Float32Array.from({ length: 48_000 * 4 }, (_, at) => 0.1 * Math.sin(at / 20))
      samples[100_000] = Number.NaN
      samples[120_000] = Number.POSITIVE_INFINITY
      const raw = file('nan.raw')
      await writeFile(raw, Buffer.from(samples.buffer))
      await ffmpeg('-f', 'f32le', '-ar', '48000', '-ac', '1', '-i', raw, '-c:a', 'copy', path)
      const made = await make(path)
      assert.equal(made.duration, 4)
      const { loudness, peak } = await measure(await bed.pathOf(made, 'audio'))
      assert.ok(loudness > -30 && peak <= -1, `${loudness} LUFS, ${peak} dBTP`)
    })
  })

  test('keeps title, artist and album of what was written, and nothing else', async () => {
    const kept = ['-metadata', 'title=Ünder the  Bridge', '-metadata', 'artist=-x "A"; B', '-metadata', 'album=Songs']
    const secret = ['comment', 'lyrics', 'location', 'encoded_by', 'copyright', 'genre', 'TXXX_serial', 'composer']
    const dropped = secret.flatMap((name) => ['-metadata', `${name}=Secret`])
    for (const extension of ['mp3', 'flac', 'm4a', 'ogg']) {
      const path = file(`tagged.${extension}`)
      await ffmpeg(...tone(1), ...kept, ...dropped, ...(extension === 'ogg' ? ['-c:a', 'libvorbis'] : []), path)
      const made = await make(path)
      for (const rendition of ['audio', 'opus']) {
        const output = await bed.pathOf(made, rendition)
        const said = await run('exiftool', ['-a', '-G1', '-s', '-ee', output])
        assert.doesNotMatch(said, /Secret|Lavf|Lavc\d/, `${rendition} of ${extension}`)
        const tag = (name: string) => new RegExp(`\\b${name}\\s+: (.*)`, 'm').exec(said)?.[1]
        assert.deepEqual([tag('Title'), tag('Artist'), tag('Album')], ['Ünder the Bridge', '-x "A"; B', 'Songs'])
      }
    }
  })

  test('of two pieces that lie behind one another is one', async () => {
    const [one, two, both] = [file('one.ogg'), file('two.ogg'), file('both.ogg')]
    await ffmpeg(...tone(2), '-ac', '2', '-ar', '44100', '-c:a', 'libvorbis', one)
    await ffmpeg(...tone(1), '-ac', '1', '-ar', '22050', '-c:a', 'libvorbis', two)
    await writeFile(both, Buffer.concat([await readFile(one), await readFile(two)]))
    const { duration } = await make(both)
    assert.ok(Math.abs((duration ?? 0) - 3) < 0.1, `${duration}`)
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

  test('plain AAC that is loud enough is copied, not encoded again', async () => {
    const path = file('plain.m4a')
    const loud = ['-af', 'volume=5.8dB', '-ac', '2', '-ar', '48000']
    await ffmpeg(...tone(4), ...loud, '-c:a', 'aac', '-b:a', '96k', '-metadata', 'comment=Sender', path)
    const made = await make(path)
    const hash = async (of: string) =>
      await run('ffmpeg', ['-loglevel', 'error', '-i', of, '-map', '0:a', '-c', 'copy', '-f', 'hash', '-'])
    assert.equal(await hash(await bed.pathOf(made, 'audio')), await hash(path))
    assert.doesNotMatch(await run('exiftool', [await bed.pathOf(made, 'audio')]), /Sender/)
  })

  test('the cover becomes the thumbnail', async () => {
    const cover = file('cover.png')
    const path = file('covered.mp3')
    await sharp({ create: { width: 900, height: 900, channels: 3, background: '#f00' } })
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
    const large = await sharp(await bed.pathOf(made, 'cover')).metadata()
    assert.deepEqual([large.width, made.dominant_color], [900, '#ff0000'])
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

/** What a program writes to standard error. */
function complaints(program: string, args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = ''
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    child.stderr.on('data', (data) => (said += data))
    child.on('error', reject)
    child.on('close', () => resolve(said))
  })
}

describe('tags', () => {
  test('are one short line of text', () => {
    assert.equal(cleanTag(' a\0b\r\nc\u202Egpj.exe\u2066 \ufffd '), 'a b c gpj.exe')
    assert.equal(cleanTag('e\u0301'), 'é')
    assert.equal([...cleanTag('🎵'.repeat(10_000))].length, 250)
    assert.equal(cleanTag('\0'.repeat(9)), '')
  })

  test('are the file’s, else the stream’s', () => {
    const streams = [{ index: 1, tags: { TITLE: 'of the stream', Artist: 'A' } }]
    assert.deepEqual(tagsFrom({ format: { tags: { title: 'T' } }, streams }, 1), { title: 'T', artist: 'A' })
    assert.deepEqual(tagsFrom({ streams }, 0), {})
  })
})

describe('peaks', () => {
  const samples = (values: number[]) => Buffer.from(Int16Array.from(values).buffer)

  test('hold the loudest of each stretch, whatever the length and the cuts', () => {
    const peaks = collectPeaks()
    const wave = samples(Array.from({ length: 160_000 }, (_, at) => (at < 80_000 ? 100 : -32_768)))
    for (let at = 0; at < wave.length; at += 777) peaks.add(wave.subarray(at, at + 777))
    assert.equal(peaks.seconds(), 20)
    const { lowest, highest, length } = peaks.stretches(2_500)
    assert.deepEqual([lowest.length * length, lowest.at(-1), highest.at(0)], [160_000, -32_768, 100])
  })

  test('stay few over hours', () => {
    const peaks = collectPeaks()
    const minute = samples(Array.from({ length: 480_000 }, () => 1000))
    for (let at = 0; at < 120; at++) peaks.add(minute)
    assert.equal(peaks.seconds(), 7200)
    const { lowest, highest } = peaks.stretches(2_000)
    assert.ok(lowest.length > 900 && lowest.length <= 2_000)
    assert.ok(lowest.every((one) => one === 1000) && highest.every((one) => one === 1000))
  })

  test('of a quiet sound are drawn as tall as those of a loud one, of noise far below it as a line', async () => {
    for (const [loudest, least, most] of [
      [32_767, 275, 280],
      [3_000, 260, 270],
      [20, 1, 8],
    ] as const) {
      const peaks = collectPeaks()
      peaks.add(
        samples(Array.from({ length: 80_000 }, (_, at) => (at % 40_000 < 4_000 ? (at % 2 ? 1 : -1) * loudest : 0))),
      )
      const { info } = await sharp(await waveformPng(peaks))
        .trim({ background: '#0000' })
        .toBuffer({ resolveWithObject: true })
      assert.ok(info.height >= least && info.height <= most, `${loudest}: ${info.height}`)
    }
  })

  test('of nothing draw a flat line', () => {
    assert.match(drawWaveform(collectPeaks()), /^<svg .*<\/svg>$/)
  })
})
