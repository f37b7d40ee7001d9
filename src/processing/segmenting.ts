import { mkdir, open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { planFolder, segmentFolder } from '../media/segments.ts'
import type { ObjectStore } from '../objects/port.ts'
import type { CutTask } from './process.ts'
import type { Shelf } from './recipes/recipe.ts'
import type { InSegments } from './recipes/video.ts'
import { weighLeft } from './tools/left.ts'

export interface Shelving {
  objects: ObjectStore
  processedBucket: string
  signal: AbortSignal
}

/** A folder of objects, as a recipe sees it. */
export function openShelf({ objects, processedBucket: bucket, signal }: Shelving, folder: string): Shelf {
  return {
    put: async (name, path) => {
      const content_type = 'application/octet-stream'
      await weighLeft(path)
      await objects.putFile({ bucket, key: folder + name }, path, { content_type, signal })
    },
    clear: async () => void (await objects.removePrefix(bucket, folder)),
    bring: async (name, path) => {
      const { body } = await objects.get({ bucket, key: folder + name }, { signal })
      await mkdir(dirname(path), { recursive: true })
      const file = await open(path, 'wx')
      try {
        for await (const chunk of body) await file.writeFile(chunk)
      } catch (error) {
        await rm(path, { force: true })
        throw error
      } finally {
        await file.close()
      }
    },
  }
}

/** Where the segments of a film lie: of an earlier cut what they have made, else the place for a new one. */
export function filmOf(
  { record: { media_id }, token, segments }: CutTask,
  shelving: Shelving,
  onFallback: InSegments['onFallback'],
): InSegments {
  if (segments === null || segments === 'failed') {
    return { shelf: openShelf(shelving, planFolder(media_id, token)), made: segments, onFallback }
  }
  const { plan, tokens } = segments
  const film = openShelf(shelving, planFolder(media_id, plan))
  const made = tokens.map((winner, n) => openShelf(shelving, segmentFolder(media_id, { plan, n }, winner)))
  return { shelf: film, made: { film, segments: made }, onFallback }
}
