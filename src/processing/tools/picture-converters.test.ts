import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import sharp, { type Sharp } from 'sharp'
import { systemChance, systemClock } from '../../media/clock.ts'
import { MediaError } from '../../media/errors.ts'
import { run } from '../testbed.test.ts'
import { type Converters, findConverters } from './picture-converters.ts'
import { type MadePictures, openPictures, type Pictures } from './pictures.ts'
import { openRunner } from './run.ts'
import { probeSandbox } from './sandbox.ts'

/** Each picture is made twice, decoded whole and converted first, and must come out the same. */
describe('large HEIC and AVIF', () => {
  let folder: string
  let whole: Pictures
  let converting: Pictures
  const workRoot = (name: string) => join(folder, name)
  const open = async (name: string, wholePixels: number, converters?: Converters) => {
    await mkdir(workRoot(name))
    const sandbox = await probeSandbox('auto')
    return openPictures({
      ...{ runner: openRunner({ sandbox, clock: systemClock }), workRoot: workRoot(name), chance: systemChance },
      decodedWhole: () => ({ heic: wholePixels, avif: wholePixels }),
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

  test('finds the programs of this machine, and none where there is none', async () => {
    const { heic, avif } = await findConverters()
    assert.match(heic?.program ?? '', /^\/.*heif-/)
    assert.match(avif?.program ?? '', /^\/.*avifdec$/)
    assert.deepEqual(await findConverters(folder), { heic: null, avif: null })
  })
})
