import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import sharp, { type Sharp } from 'sharp'
import { systemChance, systemClock } from '../../media/clock.ts'
import { MediaError } from '../../media/errors.ts'
import { run } from '../testbed.test.ts'
import { type Converters, findConverters, pixelsDecodedWhole } from './picture-converters.ts'
import { type MadePictures, openPictures, type Pictures } from './pictures.ts'
import { openRunner } from './run.ts'
import { probeSandbox } from './sandbox.ts'

/** Each picture is made twice, decoded whole and converted first, and must come out the same. */
describe('large HEIC and AVIF', () => {
  let folder: string
  let whole: Pictures
  let converting: Pictures
  const workRoot = (name: string) => join(folder, name)
  const open = async (name: string, wholePixels: number | null, converters?: Converters) => {
    await mkdir(workRoot(name))
    const sandbox = await probeSandbox('auto')
    return openPictures({
      ...{ runner: openRunner({ sandbox, clock: systemClock }), workRoot: workRoot(name), chance: systemChance },
      decodedWhole: wholePixels === null ? pixelsDecodedWhole : () => ({ heic: wholePixels, avif: wholePixels }),
      ...(converters && { converters }),
    })
  }
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'converters-'))
    whole = await open('whole', 1e9)
    converting = await open('converting', 1)
  })
  after(async () => {
    await Promise.all([whole.close(), converting.close()])
    await rm(folder, { recursive: true, force: true })
  })

  const file = (name: string) => join(folder, name)
  const redAt = async (path: string, left: number, top: number) =>
    (await sharp(path).extract({ left, top, width: 1, height: 1 }).toColourspace('srgb').raw().toBuffer())[0] ?? 0
  const make = async (
    pictures: Pictures,
    path: string,
  ): Promise<MadePictures & { pathOf: (name: string) => string }> => {
    const into = join(folder, systemChance.uuid())
    await mkdir(into)
    const signal = new AbortController().signal
    const order = { source: { path }, folder: into, memory: 512, signal, maxPixels: 1e8, isSvg: false }
    const made = await pictures.make({ ...order, wanted: 'picture' })
    const pathOf = (name: string) => join(into, made.outputs.find((one) => one.name === name)?.file ?? `no ${name}`)
    return { ...made, pathOf }
  }

  /** 240 × 160, its quarters red, green, blue and grey. */
  const quarters = (): Sharp => {
    const part = { width: 120, height: 80, channels: 3 as const }
    const inputs = [
      { input: { create: { ...part, background: '#c22' } }, left: 0, top: 0 },
      { input: { create: { ...part, background: '#2a2' } }, left: 120, top: 0 },
      { input: { create: { ...part, background: '#44e' } }, left: 0, top: 80 },
    ]
    return sharp({ create: { ...part, width: 240, height: 160, background: '#888' } }).composite(inputs)
  }
  const pngOf = async (name: string, picture: Sharp) => {
    await picture.png().toFile(file(name))
    return file(name)
  }
  const avif = async (name: string, args: string[], from?: string) => {
    const png = from ?? (await pngOf(`${name}.png`, quarters()))
    await run('avifenc', ['--speed', '8', '--min', '0', '--max', '10', ...args, png, file(`${name}.avif`)])
    return file(`${name}.avif`)
  }
  const heic = async (name: string, args: string[], from?: string) => {
    const png = from ?? (await pngOf(`${name}.png`, quarters()))
    await run('heif-enc', ['-q', '90', ...args, png, '-o', file(`${name}.heic`)])
    return file(`${name}.heic`)
  }

  const comesOutTheSame = async (path: string, rendition = 'jpeg-1600') => {
    const [one, other] = [await make(whole, path), await make(converting, path)]
    assert.deepEqual([other.width, other.height], [one.width, one.height])
    const pixels = async (from: typeof one) =>
      await sharp(from.pathOf(rendition)).raw().toBuffer({ resolveWithObject: true })
    const [was, is] = [await pixels(one), await pixels(other)]
    assert.deepEqual(is.info, { ...was.info })
    let difference = 0
    for (const [at, value] of was.data.entries()) difference += Math.abs(value - (is.data[at] ?? 0))
    assert.ok(difference / was.data.length < 3, `differs by ${difference / was.data.length} in the mean`)
    return other
  }

  for (const [name, args, size] of [
    ['as coded', [], [240, 160]],
    ['a quarter', ['--irot', '1'], [160, 240]],
    ['half', ['--irot', '2'], [240, 160]],
    ['three quarters', ['--irot', '3'], [160, 240]],
    ['mirrored rows', ['--imir', '0'], [240, 160]],
    ['mirrored columns', ['--imir', '1'], [240, 160]],
    ['turned and mirrored', ['--irot', '1', '--imir', '1'], [160, 240]],
    ['cut', ['--clap', '200,1,100,1,10,1,-20,1'], [200, 100]],
    ['cut, turned and mirrored', ['--clap', '200,1,100,1,10,1,-20,1', '--irot', '3', '--imir', '0'], [100, 200]],
  ] as const) {
    test(`an AVIF stands upright: ${name}`, async () => {
      const made = await comesOutTheSame(await avif(name.replaceAll(/\W+/g, '-'), [...args]))
      assert.deepEqual([made.width, made.height], size)
    })
  }

  test('an AVIF of 10 bits, of a grid, grey, and with all its colours', async () => {
    await comesOutTheSame(await avif('ten', ['--depth', '10']))
    await comesOutTheSame(await avif('full', ['--yuv', '444']))
    await comesOutTheSame(await avif('grey', ['--yuv', '400']))
    const large = await pngOf('large.png', quarters().resize(960, 640, { kernel: 'nearest' }))
    await comesOutTheSame(await avif('grid', ['--grid', '2x2'], large))
  })

  test('what shows through an AVIF and a HEIC goes on to do so', async () => {
    const holed = await pngOf('holed.png', sharp(await quarters().removeAlpha().png().toBuffer()).ensureAlpha(0.4))
    for (const path of [await avif('holed', ['--yuv', '444'], holed), await heic('holed', [], holed)]) {
      const made = await comesOutTheSame(path, 'png-1600')
      assert.equal((await sharp(made.pathOf('png-1600')).metadata()).hasAlpha, true, path)
    }
  })

  test('a HEIC as coded, of 10 bits', async () => {
    await comesOutTheSame(await heic('plain', []))
    const deep = file('deep.png')
    await (await sharp(await quarters().png().toBuffer())).toColourspace('rgb16').png().toFile(deep)
    await comesOutTheSame(await heic('deep', ['-b', '10'], deep))
  })

  test('a HEIC of tiles, turned, as phones write it', async () => {
    const names = ['#c22', '#2a2', '#44e', '#888'].map(async (background, at) => {
      const tile = sharp({ create: { width: 512, height: 512, channels: 3, background } })
      return await readFile(await heic(`tile-${at}`, [], await pngOf(`tile-${at}.png`, tile)))
    })
    const path = file('tiles.heic')
    await writeFile(path, gridOf(await Promise.all(names), { width: 1000, height: 900, quarters: 3 }))
    const made = await comesOutTheSame(path)
    assert.deepEqual([made.width, made.height], [900, 1000])
    assert.ok((await redAt(made.pathOf('jpeg-1600'), 890, 10)) > 180)
  })

  test('the profile of its colours is kept until they are brought to sRGB', async () => {
    const wide = file('wide.jpg')
    await sharp(await quarters().png().toBuffer())
      .withIccProfile('p3')
      .withMetadata({ orientation: 6 })
      .jpeg({ quality: 98 })
      .toFile(wide)
    const [tagged, turned] = [await heic('wide', [], wide), await avif('wide', [], wide)]
    // The numbers of this red are 187 in P3, and 204 in sRGB.
    for (const [path, left] of [
      [tagged, 10],
      [turned, 150],
    ] as const) {
      const red = await redAt((await comesOutTheSame(path)).pathOf('jpeg-1600'), left, 10)
      assert.ok(Math.abs(red - 204) < 8, `${path}: ${red}`)
    }
    // The word of EXIF on which side is up does not count in these formats.
    assert.equal((await make(converting, tagged)).width, 240)
    assert.equal((await make(converting, turned)).width, 160)
  })

  test('is refused where the programs are not installed, and damaged files as before', async () => {
    const alone = await open('alone', 1, { heic: null, avif: null })
    try {
      const refused = (said: RegExp) => (error: unknown) =>
        error instanceof MediaError && error.code === 'too_many_pixels' && said.test(error.message)
      await assert.rejects(make(alone, await heic('lone', [])), refused(/heif-convert.*libheif-examples/))
      await assert.rejects(make(alone, await avif('lone', [])), refused(/avifdec.*libavif-bin/))
    } finally {
      await alone.close()
    }
    const cut = file('cut.avif')
    await writeFile(cut, (await readFile(await avif('whole', []))).subarray(0, -40))
    await assert.rejects(make(converting, cut), (error) => error instanceof MediaError && error.code === 'undecodable')
  })

  test('of 12 megapixels, as phones take them, are made without the programs, too', async () => {
    const alone = await open('small memory', null, { heic: null, avif: null })
    try {
      const large = quarters().resize(4032, 3024, { fit: 'fill', kernel: 'nearest' })
      const png = await pngOf('phone.png', sharp(await large.png({ compressionLevel: 1 }).toBuffer()))
      const path = await heic('phone', ['-p', 'preset=ultrafast'], png)
      assert.equal((await make(alone, path)).width, 4032)
    } finally {
      await alone.close()
    }
  })

  test('finds the programs of this machine, and none where there is none', async () => {
    const { heic, avif } = await findConverters()
    assert.match(heic?.program ?? '', /^\/.*heif-/)
    assert.match(avif?.program ?? '', /^\/.*avifdec$/)
    assert.deepEqual(await findConverters(folder), { heic: null, avif: null })
  })
})

const u16 = (...values: number[]) => Buffer.from(values.flatMap((value) => [value >> 8, value & 255]))
const u32 = (...values: number[]) => Buffer.concat(values.map((value) => u16(value >>> 16, value & 0xffff)))
const box = (type: string, ...bodies: Buffer[]) => {
  const body = Buffer.concat(bodies)
  return Buffer.concat([u32(body.length + 8), Buffer.from(type, 'latin1'), body])
}

/** The first box of that type, wherever it is. */
function boxOf(bytes: Buffer, type: string): Buffer {
  const at = bytes.indexOf(type, 0, 'latin1') - 4
  return bytes.subarray(at, at + bytes.readUInt32BE(at))
}

/** Four HEIC of 512 × 512 as two rows of one, cut at the right and below. ISO/IEC 23008-12, 6.6.2.3 */
function gridOf(tiles: readonly Buffer[], given: { width: number; height: number; quarters: number }): Buffer {
  const { width, height, quarters } = given
  const [first = Buffer.alloc(0)] = tiles
  const text = (value: string) => Buffer.from(value, 'latin1')
  const grid = Buffer.concat([Buffer.from([0, 0, 1, 1]), u16(width, height)])
  const data = [...tiles.map((tile) => boxOf(tile, 'mdat').subarray(8)), grid]
  const infe = (id: number, type: string, flags: number) =>
    box('infe', u32(0x02000000 + flags), u16(id, 0), text(`${type}\0`))
  const properties = [
    ...[boxOf(first, 'hvcC'), box('ispe', u32(0, 512, 512)), box('ispe', u32(0, width, height))],
    box('irot', Buffer.from([quarters])),
  ]
  const uses = (id: number, ...numbers: number[]) => Buffer.concat([u16(id), Buffer.from([numbers.length, ...numbers])])
  const ipma = box('ipma', u32(0, 5), ...[1, 2, 3, 4].map((id) => uses(id, 0x81, 2)), uses(5, 3, 0x84))
  const ftyp = box('ftyp', text('heic'), u32(0), text('mif1heic'))
  const metaAt = (start: number) => {
    const places = data.map((one, at) => {
      const before = data.slice(0, at).reduce((sum, { length }) => sum + length, 0)
      return Buffer.concat([u16(at + 1, 0, 1), u32(start + before, one.length)])
    })
    return box(
      'meta',
      u32(0),
      box('hdlr', u32(0, 0), text('pict'), u32(0, 0, 0), text('\0')),
      box('pitm', u32(0), u16(5)),
      box('iloc', u32(0), u16(0x4400, 5), ...places),
      box('iinf', u32(0), u16(5), ...[1, 2, 3, 4].map((id) => infe(id, 'hvc1', 1)), infe(5, 'grid', 0)),
      box('iref', u32(0), box('dimg', u16(5, 4, 1, 2, 3, 4))),
      box('iprp', box('ipco', ...properties), ipma),
    )
  }
  const start = ftyp.length + metaAt(0).length + 8
  return Buffer.concat([ftyp, metaAt(start), box('mdat', ...data)])
}
