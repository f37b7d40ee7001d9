import { s3Url } from '../media/locations.ts'
import type { Rendition } from '../media/record.ts'
import type { ObjectStore } from '../objects/port.ts'
import type { Output } from './recipes/recipe.ts'
import { weighLeft } from './tools/left.ts'

/** Stores the outputs of one attempt. */
export interface Storing {
  /** Each file is stored once, however often and by how many names it is asked for; the renditions in the order of the outputs. */
  store(outputs: readonly Output[], onProgress?: (share: number) => void): Promise<Rendition[]>
}

interface StoringOptions {
  objects: Pick<ObjectStore, 'putFile'>
  bucket: string
  /** Of the attempt's own version, so that a late attempt overwrites nothing. */
  prefix: string
  signal: AbortSignal
}

/** Files on their way at once, for a stream has thousands. */
const atOnce = 8

export function openStoring({ objects, bucket, prefix, signal }: StoringOptions): Storing {
  const stored = new Map<string, Rendition>()

  async function put(path: string, key: string, content_type: string) {
    const ref = { bucket, key: prefix + key }
    await weighLeft(path)
    return { ...(await objects.putFile(ref, path, { content_type, signal })), s3_url: s3Url(ref) }
  }

  /** What an output names is there before it. */
  async function putOutput(output: Output, onFile: () => void): Promise<Rendition> {
    const { name, path, content_type, width, height, duration, beside = [] } = output
    const sizes = await inTurn(beside, async (file) => {
      const { size } = await put(file.path, file.key, file.content_type)
      onFile()
      return size
    })
    const { size, etag, s3_url } = await put(path, keyOf(output), content_type)
    onFile()
    const file_size = sizes.reduce((sum, one) => sum + one, size)
    const bitrate = duration === null || duration <= 0 ? null : Math.round((file_size * 8) / duration)
    return { name, s3_url, content_type, file_size, etag, width, height, bitrate, duration }
  }

  return {
    async store(outputs, onProgress = () => {}) {
      const fresh = [...new Map(outputs.map((output) => [keyOf(output), output])).values()].filter(
        (output) => !stored.has(keyOf(output)),
      )
      const total = fresh.reduce((sum, { beside = [] }) => sum + beside.length + 1, 0)
      let done = 0
      const onFile = () => onProgress(++done / total)
      await inTurn(fresh, async (output) => void stored.set(keyOf(output), await putOutput(output, onFile)))
      return outputs.flatMap((output) => {
        const rendition = stored.get(keyOf(output))
        return rendition ? [{ ...rendition, name: output.name }] : []
      })
    },
  }
}

function keyOf({ key, name, extension }: Output): string {
  return key ?? `${name}${extension}`
}

/** Begun in order, a few at a time; when one fails, those under way are waited for and no other is begun. */
async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  const failures: unknown[] = []
  let next = 0
  const worker = async () => {
    while (next < items.length && failures.length === 0) {
      const at = next++
      try {
        results[at] = await work(items[at] as T)
      } catch (error) {
        failures.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  if (failures.length > 0) throw failures[0]
  return results
}
