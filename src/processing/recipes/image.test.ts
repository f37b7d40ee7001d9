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
      for (const name of ['jpeg-1600', 'webp-1600', 'avif-1600', 'master']) {
        const out = await bed.pathOf(made, name)
        assert.ok(isRed(await colourAt(out, 10, 10)), `${name} upper left`)
        assert.ok(isBlue(await colourAt(out, 110, 10)), `${name} upper right`)
        assert.ok(isBlue(await colourAt(out, 10, 70)), `${name} lower left`)
      }
    })
  }

  test('makes three formats at three sizes, thumbnail, master, placeholder and colour', async () => {
    const path = file('large.jpg')
    await sharp({ create: { width: 2000, height: 1000, channels: 3, background: '#334455' } })
      .jpeg()
      .toFile(path)
    const made = await make(path)
    const sizes = made.renditions.map(({ name, width, height, content_type }) => [name, width, height, content_type])
    const formats = (width: number) =>
      ['jpeg', 'webp', 'avif'].map((format) => [`${format}-${width}`, width, width / 2, `image/${format}`])
    assert.deepEqual(sizes, [
      ['master', 2000, 1000, 'image/jpeg'],
      ...[1600, 800, 400].flatMap(formats),
      ['thumbnail', 400, 400, 'image/jpeg'],
    ])
    assert.deepEqual([made.width, made.height, made.duration], [2000, 1000, null])
    assert.match(made.dominant_color ?? '', /^#33445[3-7]$/)
    assert.match(made.processed_s3_url ?? '', /\/v1\/jpeg-1600\.jpg$/)
    assert.match(made.thumbnail_s3_url ?? '', /\/v1\/thumbnail\.jpg$/)
    assert.match(made.placeholder ?? '', /^[A-Za-z0-9+/]+=*$/)
    for (const one of made.renditions) {
      const metadata = await sharp(await bed.pathOf(made, one.name)).metadata()
      assert.deepEqual([metadata.width, metadata.height], [one.width, one.height])
    }
  })

  test('a small picture has every name, and no file twice', async () => {
    const path = file('small.png')
    await sharp({ create: { width: 500, height: 300, channels: 3, background: '#345' } })
      .png()
      .toFile(path)
    const made = await make(path, 'image/png')
    const keyOf = (name: string) => made.renditions.find((one) => one.name === name)?.s3_url.replace(/.*\//, '')
    assert.deepEqual(['jpeg-400', 'jpeg-800', 'jpeg-1600'].map(keyOf), [
      'jpeg-400.jpg',
      'jpeg-1600.jpg',
      'jpeg-1600.jpg',
    ])
    assert.equal(new Set(made.renditions.map(({ s3_url }) => s3_url)).size, 8)
    const { width, height } = made.renditions.find(({ name }) => name === 'webp-1600') ?? assert.fail()
    assert.deepEqual([width, height], [500, 300], 'never larger than the source')
    const { width: side } = made.renditions.find(({ name }) => name === 'thumbnail') ?? assert.fail()
    assert.equal(side, 300, 'a square as large as there is')
  })

  test('the thumbnail is of what draws the eye', async () => {
    const path = file('far-right.png')
    const face = await sharp({ create: { width: 200, height: 200, channels: 3, background: '#d8815f' } })
      .png()
      .toBuffer()
    await sharp({ create: { width: 1600, height: 400, channels: 3, background: '#ccc' } })
      .composite([{ input: face, left: 1350, top: 100 }])
      .png()
      .toFile(path)
    const made = await make(path, 'image/png')
    const { data, info } = await sharp(await bed.pathOf(made, 'thumbnail'))
      .raw()
      .toBuffer({ resolveWithObject: true })
    let seen = 0
    for (let at = 0; at < data.length; at += info.channels) if ((data[at + 2] ?? 0) < 130) seen++
    assert.ok(seen > 38_000, `${seen} of its 40 000 pixels`)
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
    for (const name of ['avif-1600', 'master']) {
      assert.equal((await sharp(await bed.pathOf(made, name)).metadata()).hasAlpha, true, name)
    }
    assert.equal((await sharp(await bed.pathOf(made, 'png-1600')).metadata()).hasAlpha, true)
    assert.equal((await sharp(await bed.pathOf(made, 'webp-1600')).metadata()).hasAlpha, true)
    const [r = 0, g = 0] = await colourAt(await bed.pathOf(made, 'thumbnail'), 10, 10)
    assert.ok(r > 245 && Math.abs(g - 128) < 8, 'the thumbnail lies on white')
  })

  test('PNG loses no colour', async () => {
    const path = file('colours.png')
    const pixels = Buffer.alloc(64 * 64 * 4)
    for (let at = 0; at < 64 * 64; at++) pixels.set([at & 255, (at >> 4) & 255, 255 - (at & 255), 200], at * 4)
    await sharp(pixels, { raw: { width: 64, height: 64, channels: 4 } })
      .png()
      .toFile(path)
    const made = await make(path, 'image/png')
    assert.deepEqual(
      await sharp(await bed.pathOf(made, 'png-1600'))
        .raw()
        .toBuffer(),
      pixels,
    )
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

  test('a picture of which nothing shows is one still', async () => {
    const path = file('nothing.png')
    await sharp({ create: { width: 20, height: 20, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } } })
      .png()
      .toFile(path)
    assert.equal((await make(path, 'image/png')).dominant_color, null)
  })

  test('colours of Adobe RGB become sRGB', async () => {
    const path = file('adobe.tiff')
    const profile = file('adobe.icc')
    await writeFile(profile, adobeRgb())
    // (160, 90, 60) of sRGB, as Adobe RGB tells it.
    const create = { width: 32, height: 32, channels: 3 as const, background: { r: 145, g: 90, b: 63 } }
    await sharp({ create }).tiff({ compression: 'none' }).toFile(path)
    await run('exiftool', ['-q', '-overwrite_original', `-ICC_Profile<=${profile}`, path])
    const told = await colourAt(await bed.pathOf(await make(path, 'image/tiff'), 'master'), 16, 16)
    const off = told.map((one, at) => Math.abs(one - ([160, 90, 60][at] ?? 0)))
    assert.ok(Math.max(...off) <= 4, `${told}`)
  })

  test('of a document of several pages the first is shown', async () => {
    const pages = await Promise.all(
      ['#f00', '#00f'].map((background) =>
        sharp({ create: { width: 60, height: 40, channels: 3, background } })
          .png()
          .toBuffer(),
      ),
    )
    const path = file('pages.tiff')
    await sharp(pages, { join: { animated: true } })
      .tiff()
      .toFile(path)
    const made = await make(path, 'image/tiff')
    assert.deepEqual([made.width, made.height], [60, 40])
    assert.ok(isRed(await colourAt(await bed.pathOf(made, 'jpeg-1600'), 30, 20)))
  })

  test('a compression that nothing here reads is not the fault of the file', async () => {
    const bytes = await sharp({ create: { width: 60, height: 40, channels: 3, background: '#f00' } })
      .tiff({ compression: 'none' })
      .toBuffer()
    // TIFF 6.0, section 2: entries of 12 bytes after their number; tag 259 is the compression, 50000 Zstandard.
    const at = bytes.readUInt32LE(4)
    const entries = Array.from({ length: bytes.readUInt16LE(at) }, (_, entry) => at + 2 + entry * 12)
    const compression = entries.find((entry) => bytes.readUInt16LE(entry) === 259) ?? assert.fail('no compression')
    bytes.writeUInt16LE(50_000, compression + 8)
    const path = file('zstd.tiff')
    await writeFile(path, bytes)
    await assert.rejects(make(path, 'image/tiff'), failsWith('unsupported_media'))
  })

  test('a drawing with transparency keeps it', async () => {
    const path = file('circle.svg')
    const shape = '<circle cx="32" cy="32" r="20" fill="#00f"/>'
    await writeFile(path, `<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64">${shape}</svg>`)
    const made = await make(path, 'image/svg+xml')
    assert.match(made.processed_s3_url ?? '', /png-1600\.png$/)
    assert.ok(made.renditions.every(({ content_type }) => content_type !== 'image/svg+xml'))
    assert.equal(made.dominant_color, '#0000ff')
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
    assert.equal((await sharp(await bed.pathOf(made, 'jpeg-1600')).metadata()).pages, undefined)
    assert.ok(made.renditions.every(({ name }) => !/avif|master/.test(name)))
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

/** A profile of Adobe RGB (1998): its primaries, adapted to D50, and its gamma of 563/256. */
function adobeRgb(): Buffer {
  const s15 = (value: number) => Math.round(value * 65_536)
  const xyz = (...values: number[]) => {
    const tag = Buffer.alloc(20)
    tag.write('XYZ ', 0, 'latin1')
    values.forEach((value, at) => tag.writeInt32BE(s15(value), 8 + at * 4))
    return tag
  }
  const curve = Buffer.alloc(16)
  curve.write('curv', 0, 'latin1')
  curve.writeUInt32BE(1, 8)
  curve.writeUInt16BE(563, 12)
  const words = Buffer.concat([Buffer.from('desc\0\0\0\0\0\0\0\x0aAdobe RGB\0', 'latin1'), Buffer.alloc(78)])
  const text = Buffer.from('text\0\0\0\0none', 'latin1')
  const tags: [string, Buffer][] = [
    ['desc', words],
    ['cprt', text],
    ['wtpt', xyz(0.9642, 1, 0.8249)],
    ['rXYZ', xyz(0.60974, 0.31111, 0.01947)],
    ['gXYZ', xyz(0.20528, 0.62567, 0.06087)],
    ['bXYZ', xyz(0.14919, 0.06322, 0.74457)],
    ['rTRC', curve],
    ['gTRC', curve],
    ['bTRC', curve],
  ]
  const table = Buffer.alloc(4 + tags.length * 12)
  table.writeUInt32BE(tags.length, 0)
  let at = 128 + table.length
  const padded = tags.map(([, tag]) => Buffer.concat([tag, Buffer.alloc((4 - (tag.length % 4)) % 4)]))
  tags.forEach(([name, tag], index) => {
    table.write(name, 4 + index * 12, 'latin1')
    table.writeUInt32BE(at, 8 + index * 12)
    table.writeUInt32BE(tag.length, 12 + index * 12)
    at += padded[index]?.length ?? 0
  })
  const head = Buffer.alloc(128)
  head.writeUInt32BE(at, 0)
  head.writeUInt32BE(0x02100000, 8)
  head.write('mntrRGB XYZ ', 12, 'latin1')
  head.write('acsp', 36, 'latin1')
  ;[0.9642, 1, 0.8249].forEach((value, index) => head.writeInt32BE(s15(value), 68 + index * 4))
  return Buffer.concat([head, table, ...padded])
}
