import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { FileToSend } from './files.ts'

/**
 * What of a run is begun and done, so that the same command goes on where it was ended, and no file is there twice: each
 * is sent under an idempotency key that is written down before. It holds as long as the service remembers keys. Each file
 * has a small file of its own, named by what it is: a folder that has got more since, or a pattern that finds others,
 * is gone on with all the same, and runs beside each other do not disturb each other.
 */
export interface Journal {
  /** The file's media, when it is uploaded already. */
  media_idOf(file: FileToSend): Promise<string | undefined>
  /** The key to send the file under. */
  keyOf(file: FileToSend): Promise<string>
  done(file: FileToSend, media_id: string): Promise<void>
  /** The media is gone: the file is sent under another key. */
  forget(file: FileToSend): Promise<void>
}

/** Milliseconds; the service's own memory of keys. */
const life = 24 * 3600_000

/** Where what is under way is remembered between runs. */
export function stateFolder(env: Readonly<Record<string, string | undefined>>): string {
  return join(env['XDG_STATE_HOME'] || join(homedir(), '.local', 'state'), 'media-service')
}

interface Entry {
  key: string
  media_id?: string
}

/** @param what the files are sent to and as: service, title, profile */
export async function openJournal(folder: string, what: readonly string[], now: number): Promise<Journal> {
  const runs = join(folder, 'runs')
  await mkdir(runs, { recursive: true })
  await removeOld(runs, now)
  const pathOf = ({ absolute, size, mtimeMs }: FileToSend) =>
    join(runs, hashOf([...what, absolute, String(size), String(mtimeMs)]))
  // Put there whole: what is known of a file must outlive a kill at any moment.
  const write = async (file: FileToSend, entry: Entry) => {
    const draft = `${pathOf(file)}.${process.pid}`
    await writeFile(draft, JSON.stringify(entry))
    await rename(draft, pathOf(file))
  }
  const read = async (file: FileToSend) => entryOf(await readFile(pathOf(file), 'utf8').catch(() => ''))
  return {
    media_idOf: async (file) => (await read(file))?.media_id,
    keyOf: async (file) => {
      const known = await read(file)
      if (known) return known.key
      const key = randomUUID()
      await write(file, { key })
      return key
    },
    done: async (file, media_id) => await write(file, { key: (await read(file))?.key ?? randomUUID(), media_id }),
    forget: async (file) => await rm(pathOf(file), { force: true }),
  }
}

async function removeOld(runs: string, now: number): Promise<void> {
  for (const name of await readdir(runs)) {
    const path = join(runs, name)
    const found = await stat(path).catch(() => null)
    if (found && now - found.mtimeMs > life) await rm(path, { force: true })
  }
}

/** One that a power cut has emptied names nothing. */
function entryOf(text: string): Entry | null {
  try {
    const entry = JSON.parse(text)
    return typeof entry?.key === 'string' ? entry : null
  } catch {
    return null
  }
}

function hashOf(texts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(texts)).digest('hex').slice(0, 32)
}
