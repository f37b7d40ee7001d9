import { mkdir, readdir, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { Chance, Clock } from '../media/clock.ts'
import { isStorageFull, MediaError } from '../media/errors.ts'
import { outputPrefix, parseS3Url } from '../media/locations.ts'
import type { Log } from '../media/log.ts'
import type { Measured } from '../media/measured.ts'
import type { MediaRecord } from '../media/record.ts'
import { planFolder, segmentFolder } from '../media/segments.ts'
import { untraced } from '../media/trace.ts'
import type { ObjectStore } from '../objects/port.ts'
import { choose, follow, type RecipeDeps, toolsFor } from './following.ts'
import { openGates } from './gates/gates.ts'
import type { Step } from './gates/steps.ts'
import { describe, measure, secondsOf } from './outcome.ts'
import type { CutTask, Processed, ProcessTask, Segmented, SegmentProcessor, SegmentTask } from './process.ts'
import { builtInProfiles, type Profiles } from './profiles.ts'
import { bringRaw, type Raw } from './raw.ts'
import type { Made, Output, Workbench } from './recipes/recipe.ts'
import { makeSegment } from './recipes/segments-make.ts'
import type { InSegments } from './recipes/video.ts'
import { filmOf, openShelf } from './segmenting.ts'
import type { ProcessingSettings } from './settings.ts'
import { openStoring } from './storing.ts'
import { openPictures, type Pictures } from './tools/pictures.ts'
import { type Runner, reasonOf } from './tools/run.ts'

export interface ProcessorDeps extends RecipeDeps {
  objects: ObjectStore
  runner: Runner
  settings: ProcessingSettings
  /** What media become, by what their sender chose; ours when not given. */
  profiles?: Profiles
  /** What `STEPS_FILE` names, as `readSteps` gives it. */
  steps?: readonly Step[]
  /** A folder of this process's own, `DATA_DIR/work`: what a crash left in it is removed. */
  workRoot: string
  processedBucket: string
  clock: Clock
  chance: Chance
  log: Log
  /** Told what a media took; must not throw. */
  onMade?: (measured: Measured) => void
}

export interface OpenProcessor extends SegmentProcessor {
  /** Ends the process kept ready for the next picture; tasks are stopped by their own signals. */
  close(): Promise<void>
}

export async function openProcessor(deps: ProcessorDeps): Promise<OpenProcessor> {
  const { runner, workRoot, chance } = deps
  await empty(workRoot)
  const pictures = openPictures({ runner, workRoot, chance })
  let active = 0

  async function inTurn<T>({ signal }: { signal: AbortSignal }, work: (threads: number) => Promise<T>): Promise<T> {
    active++
    try {
      // One ffmpeg thread a core when jobs queue gives 1.16 times the throughput; all cores when there is one.
      return await work(Math.max(1, Math.floor(availableParallelism() / active)))
    } catch (error) {
      if (signal.aborted) throw reasonOf(signal)
      if (isStorageFull(error) && !(error instanceof MediaError)) {
        throw new MediaError('storage_full', 'no room in the working folder', { cause: error })
      }
      throw error
    } finally {
      active--
    }
  }

  return {
    close: pictures.close,
    process: async (task) => {
      const made = await inTurn(task, (threads) => processMedia(deps, { task, pictures, threads, film: null }))
      if ('segments' in made) throw new MediaError('internal', 'cut though nobody asked for it')
      return made
    },
    processOrCut: async (task) => {
      const film = filmOf(task, { ...deps, signal: task.signal }, tellOfFallback(deps, task))
      return await inTurn(task, (threads) => processMedia(deps, { task, pictures, threads, film }))
    },
    processSegment: async (task) => await inTurn(task, (threads) => makeSegmentOf(deps, task, threads)),
  }
}

function tellOfFallback({ log }: ProcessorDeps, { record: { media_id } }: CutTask): InSegments['onFallback'] {
  return (error) => log.warn({ media_id, error }, 'a film is made in one piece, as its segments could not be used')
}

interface Turn {
  task: ProcessTask
  pictures: Pictures
  threads: number
  /** Null where a film is not to be cut. */
  film: InSegments | null
}

/** One segment of a film, from its piece of the source to the streams that are put together later. */
async function makeSegmentOf(deps: ProcessorDeps, task: SegmentTask, threads: number): Promise<void> {
  const { objects, runner, settings, workRoot, chance, step = untraced } = deps
  const { record, segment, token, signal } = task
  const { media_id } = record
  const folder = join(workRoot, chance.uuid())
  const report = rising(task.onProgress)
  const shelving = { ...deps, signal }
  try {
    const newFolder = folderMaker(folder)
    const bringSource = async () => {
      const path = join(await newFolder('in'), 'raw')
      return (await bringRaw({ objects, ref: rawRef(record), path, signal })).path
    }
    const bench = { runner, settings, newFolder, threads, signal, tools: toolsFor(deps), bringSource }
    const from = openShelf(shelving, planFolder(media_id, segment.plan))
    const to = openShelf(shelving, segmentFolder(media_id, segment, token))
    const onProgress = (share: number) => report(95 * share)
    await step('make', async () => await makeSegment({ ...bench, onProgress }, segment.n, { from, to }))
    report(100)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** One media, from its raw bytes to its stored outputs. */
async function processMedia(
  deps: ProcessorDeps,
  { task, pictures, threads, film }: Turn,
): Promise<Processed | Segmented> {
  const { objects, runner, settings, workRoot, chance, clock, log, step = untraced } = deps
  const { record, signal } = task
  const began = clock.now()
  const folder = join(workRoot, chance.uuid())
  const report = rising(task.onProgress)
  const prefix = outputPrefix(record.media_id, task.token)
  const storing = openStoring({ objects, bucket: deps.processedBucket, prefix, signal })
  try {
    const newFolder = folderMaker(folder)
    const inbox = await newFolder('in')
    const bringing = { objects, ref: rawRef(record), path: join(inbox, 'raw'), signal }
    const raw = await step('fetch', async () => await bringRaw(bringing))
    await checkAnnounced(record, raw)
    const fetched = clock.now()
    report(5)
    const onProgress = (share: number) => report(5 + 80 * share)
    const keep = async (outputs: readonly Output[]) => void (await storing.store(outputs))
    const publish = async (early: Made) => {
      const { warnings: _, content_type: __, ...playable } = describe(record, early, await storing.store(early.outputs))
      await task.onPlayable?.(playable)
    }
    const bench: Workbench = { raw, runner, pictures, settings, newFolder, threads, signal, onProgress, keep, publish }
    const gates = openGates(deps)
    const warnings = await step('gates', async () => await gates.admit(record, bench))
    const chosen = choose(deps.profiles ?? builtInProfiles, record)
    const following = { bench, profile: chosen.profile, film }
    const followed = await step('make', async () => await follow(deps, record, following))
    if ('segments' in followed) return followed
    const made = await step('gates', async () => await gates.complete(record, bench, followed))
    made.warnings.unshift(...warnings, ...chosen.warnings)
    report(85)
    const finished = clock.now()
    const onStored = (share: number) => report(85 + 14 * share)
    const renditions = await step('store', async () => await storing.store(made.outputs, onStored))
    const checksum = await raw.checksum
    report(100)
    const { media_id } = record
    const steps = secondsOf({ fetch: fetched - began, make: finished - fetched, store: clock.now() - finished })
    const cut = 'segments' in task && task.segments !== null
    task.onSteps?.(steps)
    deps.onMade?.(measure(made, { renditions, steps, cut }))
    log.debug({ media_id, media_type: made.media_type, ms: clock.now() - began, warnings: made.warnings }, 'media made')
    return { ...describe(record, made, renditions), checksum }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Who told a checksum wants nothing made of other bytes. @throws MediaError `checksum_mismatch` */
async function checkAnnounced({ media_id, upload }: MediaRecord, { checksum }: Raw): Promise<void> {
  if (!upload?.checksum || upload.checksum === (await checksum)) return
  throw new MediaError('checksum_mismatch', `${media_id} was announced with another checksum`)
}

function rawRef({ media_id, temp_s3_url }: MediaRecord) {
  if (temp_s3_url === null) throw new MediaError('raw_missing', `${media_id} has no raw bytes`)
  return parseS3Url(temp_s3_url)
}

/** Folders for tool runs, each new and empty. */
function folderMaker(folder: string): (name: string) => Promise<string> {
  let count = 0
  return async (name) => {
    const path = join(folder, `${++count}-${name}`)
    await mkdir(path, { recursive: true })
    return path
  }
}

async function empty(workRoot: string): Promise<void> {
  await mkdir(workRoot, { recursive: true })
  for (const name of await readdir(workRoot)) await rm(join(workRoot, name), { recursive: true, force: true })
}

/** Whole percents, each reported once and never a smaller one. */
function rising(onProgress: (percent: number) => void): (percent: number) => void {
  let highest = -1
  return (percent) => {
    const whole = Math.min(100, Math.floor(percent))
    if (whole <= highest) return
    highest = whole
    onProgress(whole)
  }
}
