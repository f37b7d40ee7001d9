import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Chance, Clock } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import type { Transform } from '../media/transform.ts'
import { imageProfile } from './image-profile.ts'
import type { ProcessingSettings } from './settings.ts'
import { openPictures, type Pictures } from './tools/pictures.ts'
import { openRunner } from './tools/run.ts'
import type { Sandbox } from './tools/sandbox.ts'

/** Makes single pictures of pictures, for who delivers; each in a child of its own, in the sandbox. */
export interface Transforming {
  /** The result is the caller's to remove. @throws MediaError as `Pictures.make`; `ENOENT` when the source is gone */
  make(order: { path: string; transform: Transform; signal: AbortSignal }): Promise<TransformedPicture>
  close(): Promise<void>
}

export interface TransformedPicture {
  path: string
  content_type: string
  etag: string
  size: number
  remove(): Promise<void>
}

interface TransformingOptions {
  sandbox: Sandbox
  settings: ProcessingSettings
  /** A folder of this process's own: what a crash left in it is removed. */
  workRoot: string
  clock: Clock
  chance: Chance
}

/** Nothing is started before the first picture is asked for. */
export async function openTransforming(options: TransformingOptions): Promise<Transforming> {
  const { sandbox, settings, workRoot, clock, chance } = options
  await mkdir(workRoot, { recursive: true })
  for (const name of await readdir(workRoot)) await rm(join(workRoot, name), { recursive: true, force: true })
  let pictures: Pictures | null = null

  return {
    async make({ path, transform, signal }) {
      pictures ??= openPictures({ runner: openRunner({ sandbox, clock }), workRoot, chance })
      const folder = join(workRoot, chance.uuid())
      const remove = async () => await rm(folder, { recursive: true, force: true })
      await mkdir(folder)
      try {
        const { outputs } = await pictures.make({
          source: { path },
          folder,
          memory: settings.pictureMemory,
          maxPixels: settings.maxPixels,
          isSvg: false,
          wanted: 'transform',
          transform,
          profile: imageProfile,
          signal,
        })
        const [made] = outputs
        if (!made) throw new MediaError('tool_crashed', 'the picture process made nothing')
        const file = join(folder, made.file)
        return { path: file, content_type: made.content_type, ...(await weigh(file)), remove }
      } catch (error) {
        await remove()
        throw error
      }
    },
    close: async () => await pictures?.close(),
  }
}

async function weigh(path: string): Promise<{ etag: string; size: number }> {
  const hash = createHash('md5')
  let size = 0
  for await (const chunk of createReadStream(path)) {
    hash.update(chunk)
    size += chunk.length
  }
  return { etag: hash.digest('hex'), size }
}
