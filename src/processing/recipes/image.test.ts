import assert from 'node:assert/strict'
import { truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import sharp, { type Sharp } from 'sharp'
import { MediaError } from '../../media/errors.ts'
import { openTestbed, run, type Testbed } from '../testbed.test.ts'

describe('pictures', () => {
  let bed: Testbed
  before(async () => {
    bed = await openTestbed()
  })
  after(async () => await bed.close())

  const file = (name: string) => join(bed.folder, name)
  const make = (path: string, content_type = 'image/jpeg') => bed.process(path, { media_type: 'image', content_type })
  const failsWith = (code: string) => (error: unknown) => error instanceof MediaError && error.code === code

  /** 120 × 80 as shown, its upper left quarter red, the rest blue. */
  const marked = async () => {
    const red = await sharp({ create: { width: 60, height: 40, channels: 3, background: '#f00' } })
      .png()
      .toBuffer()
    return sharp({ create: { width: 120, height: 80, channels: 3, background: '#00f' } }).composite([
      { input: red, top: 0, left: 0 },
    ])
  }
  const colourAt = async (path: string, x: number, y: number) => {
    const { data, info } = await sharp(path).raw().toBuffer({ resolveWithObject: true })
    return [...data.subarray((y * info.width + x) * info.channels, (y * info.width + x) * info.channels + 3)]
  }
  const isRed = ([r = 0, , b = 0]: number[]) => r > 200 && b < 60
  const isBlue = ([r = 0, , b = 0]: number[]) => b > 200 && r < 60

  for (const orientation of [1, 2, 3, 4, 5, 6, 7, 8]) {
    test(`stands upright from EXIF orientation ${orientation}`, async () => {
      const upright = await (await marked()).png().toBuffer()
      // The inverse of what a viewer does for this orientation.
      const undo: Record<number, ((picture: Sharp) => Sharp)[]> = {
        2: [(one) => one.flop()],
        3: [(one) => one.rotate(180)],
        4: [(one) => one.flip()],
        5: [(one) => one.rotate(90), (one) => one.flop()],
        6: [(one) => one.rotate(270)],
        7: [(one) => one.rotate(270), (one) => one.flop()],
        8: [(one) => one.rotate(90)],
      }
      let coded = upright
      for (const step of undo[orientation] ?? []) coded = await step(sharp(coded)).png().toBuffer()
      const path = file(`orientation-${orientation}.jpg`)
      await sharp(coded).jpeg({ quality: 95, chromaSubsampling: '4:4:4' }).withMetadata({ orientation }).toFile(path)
      const made = await make(path)
      assert.deepEqual([made.width, made.height], [120, 80])
      for (const name of ['jpeg-1600', 'webp-1600', 'thumbnail']) {
        const out = await bed.pathOf(made, name)
        assert.ok(isRed(await colourAt(out, 10, 10)), `${name} upper left`)
        assert.ok(isBlue(await colourAt(out, 110, 10)), `${name} upper right`)
        assert.ok(isBlue(await colourAt(out, 10, 70)), `${name} lower left`)
      }
    })
  }

  test('makes JPEG, WebP, thumbnail and placeholder, never larger than the source', async () => {
    const path = file('large.jpg')
    await sharp({ create: { width: 2000, height: 1000, channels: 3, background: '#345' } })
      .jpeg()
      .toFile(path)
    const made = await make(path)
    const sizes = made.renditions.map(({ name, width, height, content_type }) => [name, width, height, content_type])
    assert.deepEqual(sizes, [
      ['thumbnail', 400, 200, 'image/jpeg'],
      ['jpeg-1600', 1600, 800, 'image/jpeg'],
      ['webp-1600', 1600, 800, 'image/webp'],
    ])
    assert.deepEqual([made.width, made.height, made.duration], [2000, 1000, null])
    assert.match(made.processed_s3_url ?? '', /\/v1\/jpeg-1600\.jpg$/)
    assert.match(made.thumbnail_s3_url ?? '', /\/v1\/thumbnail\.jpg$/)
    assert.match(made.placeholder ?? '', /^[A-Za-z0-9+/]+=*$/)
    for (const one of made.renditions) {
      const metadata = await sharp(await bed.pathOf(made, one.name)).metadata()
      assert.deepEqual([metadata.width, metadata.height], [one.width, one.height])
    }
  })

  test('nothing of the sender is left', async () => {
    const path = file('gps.jpg')
    await (await marked()).jpeg().toFile(path)
    const tags = [
      '-GPSLatitude=48.2',
      '-GPSLatitudeRef=N',
      '-Artist=Sender',
      '-XMP:Title=Secret',
      '-Comment=Private',
      '-IPTC:City=Wien',
    ]
    await run('exiftool', ['-q', '-overwrite_original', ...tags, path])
    const made = await make(path)
    for (const { name } of made.renditions) {
      const said = await run('exiftool', ['-a', '-G1', '-s', await bed.pathOf(made, name)])
      assert.doesNotMatch(said, /GPS|Sender|Secret|Private|Wien|XMP|IPTC|Orientation/)
      assert.doesNotMatch(said, /\[(?:IFD0|ExifIFD|ICC)/)
    }
  })

  test('colours of a wide profile become sRGB', async () => {
    const path = file('p3.png')
    await sharp({ create: { width: 32, height: 32, channels: 3, background: '#f00' } })
      .withIccProfile('p3')
      .png()
      .toFile(path)
    const made = await make(path, 'image/png')
    const [r = 0, g = 0, b = 0] = await colourAt(await bed.pathOf(made, 'jpeg-1600'), 16, 16)
    // The red of sRGB, told in P3, is read back as the red of sRGB.
    assert.ok(r > 250 && g < 8 && b < 8, `${r} ${g} ${b}`)
  })

  test('CMYK becomes sRGB', async () => {
    const path = file('cmyk.jpg')
    await sharp({ create: { width: 32, height: 32, channels: 3, background: '#fff' } })
      .toColourspace('cmyk')
      .jpeg()
      .toFile(path)
    const made = await make(path)
    const out = await bed.pathOf(made, 'jpeg-1600')
    assert.equal((await sharp(out).metadata()).space, 'srgb')
    assert.ok((await colourAt(out, 5, 5)).every((one) => one > 240))
  })

  test('a picture that something shows through keeps it in PNG and WebP', async () => {
    const path = file('glass.png')
    await sharp({ create: { width: 50, height: 30, channels: 4, background: { r: 255, g: 0, b: 0, alpha: 0.5 } } })
      .png()
      .toFile(path)
    const made = await make(path, 'image/png')
    assert.match(made.processed_s3_url ?? '', /png-1600\.png$/)
    assert.equal((await sharp(await bed.pathOf(made, 'png-1600')).metadata()).hasAlpha, true)
    assert.equal((await sharp(await bed.pathOf(made, 'webp-1600')).metadata()).hasAlpha, true)
    const [r = 0, g = 0] = await colourAt(await bed.pathOf(made, 'thumbnail'), 10, 10)
    assert.ok(r > 245 && Math.abs(g - 128) < 8, 'the thumbnail lies on white')
  })

  test('an opacity that is full everywhere is none', async () => {
    const path = file('opaque.png')
    await sharp({ create: { width: 50, height: 30, channels: 4, background: { r: 255, g: 0, b: 0, alpha: 1 } } })
      .png()
      .toFile(path)
    assert.match((await make(path, 'image/png')).processed_s3_url ?? '', /jpeg-1600\.jpg$/)
  })

  test('grey and 16-bit pictures become 8-bit sRGB', async () => {
    const path = file('grey.png')
    await sharp({ create: { width: 40, height: 30, channels: 3, background: '#888' } })
      .toColourspace('grey16')
      .png()
      .toFile(path)
    const metadata = await sharp(await bed.pathOf(await make(path, 'image/png'), 'jpeg-1600')).metadata()
    assert.deepEqual([metadata.space, metadata.depth, metadata.channels], ['srgb', 'uchar', 3])
  })

  test('an animation keeps its frames in WebP only', async () => {
    const frames = await Promise.all(
      ['#f00', '#0f0', '#00f'].map((background) =>
        sharp({ create: { width: 31, height: 17, channels: 3, background } })
          .png()
          .toBuffer(),
      ),
    )
    const path = file('moving.gif')
    await sharp(frames, { join: { animated: true } })
      .gif()
      .toFile(path)
    const made = await make(path, 'image/gif')
    assert.deepEqual([made.width, made.height], [31, 17])
    assert.equal((await sharp(await bed.pathOf(made, 'webp-1600')).metadata()).pages, 3)
    assert.ok(isRed(await colourAt(await bed.pathOf(made, 'thumbnail'), 5, 5)), 'the first frame')
  })

  test('a drawing reaches no file and no port, and keeps its size', async () => {
    await writeFile(file('secret.svg'), '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    const path = file('drawing.svg')
    const active = `<script>alert(1)</script><image href="secret.svg" width="9" height="9"/><image href="file:///etc/hostname" width="9" height="9"/>`
    await writeFile(
      path,
      `<svg xmlns="http://www.w3.org/2000/svg" width="64" height="32"><rect width="64" height="32" fill="#00f"/>${active}</svg>`,
    )
    const made = await make(path, 'image/svg+xml')
    assert.deepEqual([made.width, made.height], [64, 32])
    assert.ok(isBlue(await colourAt(await bed.pathOf(made, 'jpeg-1600'), 4, 4)))
  })

  test('a drawing that grows without end is refused', async () => {
    const entities = Array.from({ length: 12 }, (_, at) => `<!ENTITY e${at + 1} "${`&e${at};`.repeat(10)}">`).join('')
    const path = file('laughs.svg')
    await writeFile(
      path,
      `<!DOCTYPE svg [<!ENTITY e0 "ha">${entities}]><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text>&e12;</text></svg>`,
    )
    await assert.rejects(make(path, 'image/svg+xml'), MediaError)
  })

  test('a drawing of enormous size is refused', async () => {
    const path = file('enormous.svg')
    await writeFile(
      path,
      '<svg xmlns="http://www.w3.org/2000/svg" width="30000" height="30000"><rect width="9" height="9"/></svg>',
    )
    await assert.rejects(make(path, 'image/svg+xml'), failsWith('too_many_pixels'))
  })

  test('a bomb is refused before it is decoded', async () => {
    const path = file('bomb.png')
    const create = { width: 12_000, height: 12_000, channels: 3 as const, background: '#000' }
    await sharp({ create, limitInputPixels: false }).png({ compressionLevel: 1 }).toFile(path)
    await assert.rejects(make(path, 'image/png'), failsWith('too_many_pixels'))
  })

  for (const share of [0.02, 0.5, 0.95]) {
    test(`a JPEG cut at ${share * 100} % is refused`, async () => {
      const path = file(`cut-${share}.jpg`)
      const noise = { type: 'gaussian' as const, mean: 128, sigma: 40 }
      const { size } = await sharp({ create: { width: 400, height: 300, channels: 3, noise, background: '#000' } })
        .jpeg()
        .toFile(path)
      await truncate(path, Math.floor(size * share))
      await assert.rejects(make(path), failsWith('undecodable'))
    })
  }

  test('what is no picture is refused', async () => {
    const path = file('words.jpg')
    await writeFile(path, 'these are words')
    await assert.rejects(make(path), failsWith('undecodable'))
  })
})
