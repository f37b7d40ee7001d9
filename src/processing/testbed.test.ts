import { spawn } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemChance, systemClock } from '../media/clock.ts'
import { parseS3Url } from '../media/locations.ts'
import { silentLog } from '../media/log.ts'
import { type MediaRecord, type MediaType, newRecord } from '../media/record.ts'
import { parseSettings } from '../media/setting.ts'
import { openFilesystemObjects } from '../objects/filesystem.ts'
import { hasLocalFiles, type ObjectStore } from '../objects/port.ts'
import { readSteps } from './gates/steps.ts'
import { type OpenProcessor, openProcessor } from './pipeline.ts'
import type { Processed } from './process.ts'
import { readProfiles } from './profiles.ts'
import { processingSettings } from './settings.ts'
import { findTools } from './tools/find.ts'
import { openRunner } from './tools/run.ts'
import { probeSandbox } from './tools/sandbox.ts'

/** A processor over a real store in a folder of its own, for the tests of this room. */
export interface Testbed {
  folder: string
  workRoot: string
  objects: ObjectStore
  processor: OpenProcessor
  store(path: string, given: Sent): Promise<MediaRecord>
  process(path: string, given: Sent): Promise<Processed>
  /** The path of a rendition's bytes. */
  pathOf(processed: Processed, name: string): Promise<string>
  close(): Promise<void>
}

interface Sent {
  media_type: MediaType
  content_type?: string
  profile?: string
}

export async function openTestbed(given: { env?: Record<string, string>; remote?: boolean } = {}): Promise<Testbed> {
  const settings = parseSettings(processingSettings, given.env ?? {})
  const folder = await mkdtemp(join(tmpdir(), 'processing-'))
  const workRoot = join(folder, 'work')
  const local = await openFilesystemObjects({ root: join(folder, 'objects'), clock: systemClock })
  // Without the ability the raw bytes are downloaded, as from S3.
  const { pathOf: _, ...remote } = local
  const objects: ObjectStore = given.remote ? remote : local
  const { tools, problem } = await findTools(settings)
  if (problem) throw new Error(problem)
  const runner = openRunner({ sandbox: await probeSandbox(settings.sandbox), clock: systemClock })
  const shared = {
    objects,
    runner,
    tools,
    settings,
    steps: await readSteps(settings.stepsFile),
    profiles: await readProfiles(settings.profilesFile),
    workRoot,
    clock: systemClock,
    chance: systemChance,
    log: silentLog,
  }
  const processor = await openProcessor({ ...shared, takesVideo: true, processedBucket: 'processed' })

  const store: Testbed['store'] = async (path, { media_type, content_type, profile = null }) => {
    const media_id = systemChance.uuid()
    const staged = await objects.stage(createReadStream(path))
    await staged.commit({ bucket: 'temp', key: media_id }, { content_type: 'application/octet-stream' })
    return newRecord({
      ...{ media_id, user_id: 'local', title: 'a test', media_type, upload_time: '', status: 'processing' },
      ...{ temp_s3_url: `s3://temp/${media_id}`, profile, content_type: content_type ?? `${media_type}/test` },
    })
  }
  return {
    folder,
    workRoot,
    objects,
    processor,
    store,
    process: async (path, kind) => {
      const record = await store(path, kind)
      return await processor.process({ record, token: 1, signal: new AbortController().signal, onProgress: () => {} })
    },
    pathOf: async (processed, name) => {
      const found = processed.renditions.find((one) => one.name === name)
      const path = found && hasLocalFiles(local) ? await local.pathOf(parseS3Url(found.s3_url)) : null
      if (path === null) throw new Error(`no rendition ${name}`)
      return path
    },
    close: async () => {
      await processor.close()
      await objects.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Runs a program of this machine and resolves with what it printed. */
export function run(program: string, args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = ''
    let complained = ''
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.on('data', (data) => (said += data))
    child.stderr.on('data', (data) => (complained += data))
    child.on('error', reject)
    child.on('close', (code) => (code === 0 ? resolve(said) : reject(new Error(`${program}: ${complained}`))))
  })
}

export async function ffmpeg(...args: string[]): Promise<void> {
  await run('ffmpeg', ['-nostdin', '-loglevel', 'error', '-y', ...args])
}

/** What ffprobe says of a file; the tests' own eyes, not ours. */
export async function inspect(path: string): Promise<{ streams: Stream[]; format: Record<string, unknown> }> {
  const shown = ['-show_streams', '-show_format', '-count_packets', '-of', 'json']
  return JSON.parse(await run('ffprobe', ['-loglevel', 'error', ...shown, path]))
}

export interface Stream {
  codec_type: string
  codec_name: string
  profile: string
  width: number
  height: number
  pix_fmt: string
  channels: number
  sample_rate: string
  duration: string
  nb_read_packets: string
  sample_aspect_ratio?: string
  color_transfer?: string
  side_data_list?: unknown[]
  tags?: Record<string, string>
}
