import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import sharp from 'sharp'
import { audioProfile } from './audio-profile.ts'
import { imageProfile } from './image-profile.ts'
import { videoProfile } from './profile.ts'
import { readProfiles } from './profiles.ts'
import { listFields } from './profiles-schema.ts'
import { ffmpeg, openTestbed } from './testbed.test.ts'

describe('profiles', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'profiles-'))
  })
  after(async () => await rm(folder, { recursive: true, force: true }))

  async function written(content: unknown): Promise<string> {
    const path = join(folder, `${crypto.randomUUID()}.json`)
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
    return path
  }
  const read = async (content: unknown) => await readProfiles(await written(content))
  const rung = (name: string, width: number, height: number) => ({ name, width, height, crf: 20, max_bitrate: 900_000 })

  test('are ours alone without a file', async () => {
    const { names, find } = await readProfiles(undefined)
    assert.deepEqual(names, ['default'])
    assert.deepEqual(find(null), { video: videoProfile, image: imageProfile, audio: audioProfile })
    assert.equal(find('small'), undefined)
  })

  test('say what differs: from the default, and that from ours', async () => {
    const { names, find } = await read({
      $schema: './profiles.schema.json',
      small: { image: { widths: [320, 160], avif: { quality: 40 } }, video: { rungs: [rung('720p', 1280, 720)] } },
      default: { image: { avif: null, jpeg: { quality: 70 } }, audio: { loudness: -14 } },
    })
    assert.deepEqual(names, ['default', 'small'])
    const [base, small] = [find(null), find('small')]
    assert.deepEqual(base?.image, { ...imageProfile, avif: null, jpeg: { quality: 70 } })
    assert.equal(find('default'), base)
    assert.deepEqual([small?.image.widths, small?.image.jpeg.quality, small?.audio.loudness], [[160, 320], 70, -14])
    // What was off has our values for what is not said.
    assert.deepEqual(small?.image.avif, { ...imageProfile.avif, quality: 40 })
    assert.deepEqual(small?.video, {
      ...videoProfile,
      rungs: [{ name: '720p', width: 1280, height: 720, crf: 20, maxBitrate: 900_000 }],
    })
  })

  describe('that are wrong end the start, with the file, the place and what belongs there', () => {
    const main = rung('720p', 1280, 720)
    const cases: [string, unknown, RegExp][] = [
      ['no JSON', '{"default":', /it is no JSON/],
      ['a list', [], /takes an object of profiles by name/],
      ['a name', { 'My Profile': {} }, /"My Profile" is no name for a profile/],
      ['a field', { default: { video: { codec: 'av1' } } }, /default\.video has no "codec"/],
      ['a number', { a: { video: { rungs: [{ ...main, crf: 99 }] } } }, /a\.video\.rungs\.0\.crf .*0–51/],
      ['a kind', { a: { video: { hls: 'yes' } } }, /a\.video\.hls .*`true` or `false`/],
      ['widths', { a: { image: { widths: [] } } }, /a\.image\.widths .*a list of whole numbers, 16–4096/],
      ['loudness', { a: { audio: { loudness: 0 } } }, /a\.audio\.loudness /],
      ['no main rung', { a: { video: { rungs: [rung('360p', 640, 360)] } } }, /a\.video\.rungs needs one .* 720p/],
      ['a rung twice', { a: { video: { rungs: [main, main] } } }, /a\.video\.rungs has a name twice/],
      ['a prototype', '{"__proto__": {"video": {}}}', /"__proto__" is no name/],
    ]
    for (const [name, content, message] of cases) {
      test(name, async () => {
        const path = await written(content)
        await assert.rejects(readProfiles(path), (error: Error) => {
          assert.match(error.message, message)
          assert.ok(error.message.startsWith(`PROFILES_FILE ${path}: `) && error.message.includes('docs/profiles.md'))
          return true
        })
      })
    }

    test('a file that is not there', async () => {
      await assert.rejects(readProfiles(join(folder, 'none.json')), /it cannot be read/)
    })
  })

  test('as the documentation shows them are taken', async () => {
    const page = await readFile(join(import.meta.dirname, '../../docs/profiles.md'), 'utf8')
    const { names } = await read(/^```json\n([^]*?)^```/m.exec(page)?.[1] ?? '')
    assert.deepEqual(names, ['default', 'podcast', 'draft'])
  })

  test('each field has words for what it takes', () => {
    const fields = listFields()
    assert.ok(fields.length > 20)
    for (const { path, takes, description } of fields) assert.ok(takes && description, path)
  })

  test('make media as they say', async () => {
    const PROFILES_FILE = await written({
      small: {
        image: { widths: [50, 100], avif: null, thumbnail: { width: 40 } },
        video: { hls: false, storyboard: false, preview: false, audio: false },
        audio: { opus: null, waveform: false, loudness: null },
      },
    })
    const bed = await openTestbed({ env: { PROFILES_FILE } })
    try {
      const [photo, clip, song] = ['photo.png', 'clip.mp4', 'song.wav'].map((name) => join(folder, name)) as [
        string,
        string,
        string,
      ]
      await ffmpeg('-f', 'lavfi', '-i', 'testsrc2=size=320x240', '-frames:v', '1', photo)
      await ffmpeg('-f', 'lavfi', '-i', 'testsrc2=size=320x240:d=1', '-f', 'lavfi', '-i', 'sine=d=1', '-shortest', clip)
      await ffmpeg('-f', 'lavfi', '-i', 'sine=d=1', song)
      const namesOf = async (path: string, media_type: 'image' | 'video' | 'audio', profile: string) => {
        const { renditions, warnings } = await bed.process(path, { media_type, profile })
        return [renditions.map(({ name }) => name).toSorted(), warnings] as const
      }
      assert.deepEqual(await namesOf(photo, 'image', 'small'), [
        ['jpeg-100', 'jpeg-50', 'master', 'thumbnail', 'webp-100', 'webp-50'],
        [],
      ])
      assert.deepEqual(await namesOf(clip, 'video', 'small'), [['720p', 'poster', 'thumbnail'], []])
      assert.deepEqual(await namesOf(song, 'audio', 'small'), [['audio', 'thumbnail'], []])
      // The operator's file has changed since the upload.
      const [names, warnings] = await namesOf(song, 'audio', 'gone')
      assert.deepEqual([names.includes('opus'), warnings], [true, ['profile_missing']])
      const made = await bed.process(photo, { media_type: 'image', profile: 'small' })
      assert.equal((await sharp(await bed.pathOf(made, 'thumbnail')).metadata()).width, 40)
    } finally {
      await bed.close()
    }
  })
})
