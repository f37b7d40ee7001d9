import { createReadStream } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import sharp, { type Sharp } from 'sharp'
import { systemChance, systemClock } from '../src/media/clock.ts'
import { silentLog } from '../src/media/log.ts'
import { newRecord } from '../src/media/record.ts'
import { parseSettings } from '../src/media/setting.ts'
import type { Transform } from '../src/media/transform.ts'
import { openFilesystemObjects } from '../src/objects/filesystem.ts'
import { imageProfile } from '../src/processing/image-profile.ts'
import { openProcessor } from '../src/processing/pipeline.ts'
import { processingSettings } from '../src/processing/settings.ts'
import { openRunner } from '../src/processing/tools/run.ts'
import { probeSandbox } from '../src/processing/tools/sandbox.ts'
import { openTransforming } from '../src/processing/transforming.ts'

/**
 * Wall time of a 12 MP JPEG through the processor (bring, decode, eleven pictures, placeholder, store durably) beside bare
 * sharp in this process, which writes the same eleven files and nothing else: as its manual says, by `clone()`, and as we
 * do, each size of the one above. Rounds in turn; the median of the ratios to the faster of the two counts.
 * The process that is kept ready for the next picture has started in the pauses. Then single pictures on the fly.
 * `node bench/pictures.ts [rounds] [picture]`
 */

const aim = 1.1
const pause = 700

const { widths, jpeg, webp, avif, master, thumbnail } = imageProfile
const largestFirst = widths.toReversed()

async function main([rounds = '5', given]: string[]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-pictures-'))
  sharp.cache(false)
  try {
    const photo = given ?? join(folder, 'photo.jpg')
    if (!given) await makePhoto(photo)
    await compareSets(folder, photo, Number(rounds))
    await timeSingle(folder, photo, Number(rounds))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function compareSets(folder: string, photo: string, rounds: number): Promise<void> {
  const ours = await openOurs(folder, photo)
  const ways = { processor: ours.process, clone: () => byClone(folder, photo), cascade: () => byCascade(folder, photo) }
  const ratios = { clone: [] as number[], cascade: [] as number[] }
  for (let round = 0; round <= rounds; round++) {
    const times: Record<string, number> = {}
    // Turns change places, so that none always finds the warmer machine.
    const turns = Object.entries(ways)
    for (const [name, way] of round % 2 ? turns : turns.reverse()) {
      await sleep(pause)
      times[name] = await seconds(way)
    }
    const said = Object.keys(ways).map((name) => `${name} ${times[name]?.toFixed(3)} s`)
    console.log(`${round === 0 ? 'warm-up' : `round ${round}`}: ${said.join(', ')}`)
    if (round === 0) continue
    for (const way of ['clone', 'cascade'] as const) ratios[way].push((times.processor ?? 0) / (times[way] ?? 0))
  }
  await ours.close()
  const medians = Object.entries(ratios).map(([way, all]) => `${median(all).toFixed(3)} × ${way}`)
  console.log(`median ${medians.join(', ')} on ${availableParallelism()} cores (aim: at most ${aim} × clone)`)
}

/** One pipeline, copied for each output. */
async function byClone(folder: string, photo: string): Promise<void> {
  const out = await outFolder(folder)
  const source = sharp(photo, { failOn: 'error' }).autoOrient()
  const at = (width: number) => source.clone().resize({ width, height: width, fit: 'inside', withoutEnlargement: true })
  await Promise.all([
    at(master.width).jpeg({ quality: master.quality }).toFile(join(out, 'master.jpg')),
    ...widths.flatMap((width) => [
      at(width)
        .jpeg({ quality: jpeg.quality })
        .toFile(join(out, `${width}.jpg`)),
      at(width)
        .webp(webp)
        .toFile(join(out, `${width}.webp`)),
      at(width)
        .avif(avif ?? {})
        .toFile(join(out, `${width}.avif`)),
    ]),
    source
      .clone()
      .resize(thumbnail.width, thumbnail.width, { position: 'attention' })
      .jpeg({ quality: thumbnail.quality })
      .toFile(join(out, 'thumbnail.jpg')),
  ])
}

/** One decode, and each size made of the one above it. */
async function byCascade(folder: string, photo: string): Promise<void> {
  const out = await outFolder(folder)
  const box = (width: number) => ({ width, height: width, fit: 'inside', withoutEnlargement: true }) as const
  const raw = async (picture: Sharp) => {
    const { data, info } = await picture.raw().toBuffer({ resolveWithObject: true })
    return () => sharp(data, { raw: { width: info.width, height: info.height, channels: 3 } })
  }
  let level = await raw(sharp(photo, { failOn: 'error' }).autoOrient().resize(box(master.width)))
  const writing = [level().jpeg({ quality: master.quality }).toFile(join(out, 'master.jpg'))]
  for (const width of largestFirst) {
    level = await raw(level().resize(box(width)))
    writing.push(
      level()
        .jpeg({ quality: jpeg.quality })
        .toFile(join(out, `${width}.jpg`)),
      level()
        .webp(webp)
        .toFile(join(out, `${width}.webp`)),
      level()
        .avif(avif ?? {})
        .toFile(join(out, `${width}.avif`)),
    )
    if (width !== 800) continue
    const square = level().resize(thumbnail.width, thumbnail.width, { position: 'attention' })
    writing.push(square.jpeg({ quality: thumbnail.quality }).toFile(join(out, 'thumbnail.jpg')))
  }
  await Promise.all(writing)
}

async function outFolder(folder: string): Promise<string> {
  const out = join(folder, 'bare')
  await rm(out, { recursive: true, force: true })
  await mkdir(out)
  return out
}

async function openOurs(folder: string, photo: string) {
  const settings = parseSettings(processingSettings, process.env)
  const [clock, chance, log] = [systemClock, systemChance, silentLog]
  const objects = await openFilesystemObjects({ root: join(folder, 'objects'), clock })
  const runner = openRunner({ sandbox: await probeSandbox(settings.sandbox), clock })
  const shared = { objects, runner, tools: null, settings, clock, chance, log, takesVideo: true }
  const processor = await openProcessor({ ...shared, workRoot: join(folder, 'work'), processedBucket: 'processed' })
  const staged = await objects.stage(createReadStream(photo))
  await staged.commit({ bucket: 'temp', key: 'photo' }, { content_type: 'image/jpeg' })
  const about = { media_id: 'photo', user_id: 'local', title: '', media_type: 'image', status: 'processing' } as const
  const record = newRecord({ ...about, upload_time: '', temp_s3_url: 's3://temp/photo', content_type: 'image/jpeg' })
  let token = 0
  return {
    process: async () => {
      const signal = new AbortController().signal
      await processor.process({ record, token: ++token, signal, onProgress: () => {} })
    },
    close: async () => {
      await processor.close()
      await objects.close()
    },
  }
}

/** One picture out of the master, the process for it ready or not. */
async function timeSingle(folder: string, photo: string, rounds: number): Promise<void> {
  const path = join(folder, 'master.jpg')
  await sharp(photo).autoOrient().jpeg({ quality: master.quality }).toFile(path)
  const settings = parseSettings(processingSettings, process.env)
  const given = { sandbox: await probeSandbox(settings.sandbox), settings, clock: systemClock, chance: systemChance }
  const maker = await openTransforming({ ...given, workRoot: join(folder, 'single') })
  const signal = new AbortController().signal
  for (const format of ['jpeg', 'webp', 'avif'] as const) {
    const transform: Transform = { ...card, format }
    const make = async () => await (await maker.make({ path, transform, signal })).remove()
    const ready: number[] = []
    const unready: number[] = []
    for (let round = 0; round < rounds; round++) {
      await sleep(pause)
      ready.push(await seconds(make))
      unready.push(await seconds(make))
    }
    const words = `${(median(ready) * 1000).toFixed(0)} ms, right after another ${(median(unready) * 1000).toFixed(0)} ms`
    console.log(`on the fly, 400 × 300 ${format} of what draws the eye: ${words}`)
  }
  await maker.close()
}

const card: Transform = {
  width: 400,
  height: 300,
  fit: 'cover',
  gravity: 'auto',
  format: 'webp',
  quality: null,
  animated: true,
  background: '#ffffff',
}

async function makePhoto(path: string): Promise<void> {
  const [width, height] = [4000, 3000]
  const noise = { type: 'gaussian' as const, mean: 128, sigma: 30 }
  const small = await sharp({ create: { width: 250, height: 188, channels: 3, background: '#888', noise } })
    .png()
    .toBuffer()
  const grain = await sharp({
    create: { width, height, channels: 3, background: '#888', noise: { ...noise, sigma: 6 } },
  })
    .png({ compressionLevel: 1 })
    .toBuffer()
  const soft = await sharp(small).resize(width, height, { fit: 'fill', kernel: 'cubic' }).toBuffer()
  await sharp(soft)
    .composite([{ input: grain, blend: 'soft-light' }])
    .jpeg({ quality: 92 })
    .toFile(path)
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

async function seconds(work: () => Promise<void>): Promise<number> {
  const began = performance.now()
  await work()
  return (performance.now() - began) / 1000
}

await main(process.argv.slice(2))
