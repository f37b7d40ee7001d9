import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { access, open, rename } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { CliError } from '../errors.ts'

/** Where the bytes of a download go, one after the other. */
export interface Sink {
  /** Bytes that it holds. */
  size(): number
  write(bytes: Uint8Array): Promise<void>
  /** Begins anew. @throws CliError when what is written cannot be taken back */
  restart(): Promise<void>
  /** All is there. @returns where */
  finish(): Promise<string>
  close(): Promise<void>
}

/**
 * A file, beside which what is there so far lies as a hidden one. It is named after the address, whose bytes never
 * change: so only a download of the same bytes goes on with it.
 * @throws CliError when the file is there already
 */
export async function openFileSink(path: string, { url, force }: { url: string; force: boolean }): Promise<Sink> {
  const there = await access(path).then(
    () => true,
    () => false,
  )
  if (there && !force)
    throw new CliError(`${path} is there already.`, {
      code: 'file_exists',
      exit: 1,
      hint: 'Say --force to write over it, or -o for another place.',
    })
  const name = createHash('sha256').update(new URL(url).pathname).digest('hex').slice(0, 12)
  const part = join(dirname(path), `.${basename(path)}.${name}.part`)
  const file = await open(part, 'a')
  let size = (await file.stat()).size
  let isOpen = true
  const close = async () => {
    if (isOpen) await file.close()
    isOpen = false
  }
  return {
    size: () => size,
    write: async (bytes) => {
      for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten
      size += bytes.length
    },
    restart: async () => {
      await file.truncate(0)
      size = 0
    },
    finish: async () => {
      await file.sync()
      await close()
      await rename(part, path)
      return path
    },
    close,
  }
}

/** Standard output. */
export function openPipeSink(out: NodeJS.WriteStream): Sink {
  let size = 0
  return {
    size: () => size,
    write: async (bytes) => {
      size += bytes.length
      if (!out.write(bytes)) await once(out, 'drain')
    },
    restart: async () => {
      if (size > 0)
        throw new CliError('The download broke, and what is written cannot be taken back.', { code: 'broken', exit: 1 })
    },
    finish: async () => '-',
    close: async () => {},
  }
}
