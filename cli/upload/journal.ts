import { createHash, randomUUID } from 'node:crypto'
import { appendFile, mkdir, readFile, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { FileToSend } from './files.ts'

/**
 * What of a run is begun and done, so that the same command goes on where it was ended, and no file is there twice: each
 * is sent under an idempotency key that is written down before. It holds as long as the service remembers keys.
 */
export interface Journal {
  /** The file's media, when it is uploaded already. */
  media_idOf(file: FileToSend): string | undefined
  /** The key to send the file under. */
  keyOf(file: FileToSend): Promise<string>
  done(file: FileToSend, media_id: string): Promise<void>
  /** The media is gone: the file is sent under another key. */
  forget(file: FileToSend): void
  /** All is done: there is nothing to go on with. */
  remove(): Promise<void>
}

/** Milliseconds; the service's own memory of keys. */
const life = 24 * 3600_000

/** Where what is under way is remembered between runs. */
export function stateFolder(env: Readonly<Record<string, string | undefined>>): string {
  return join(env['XDG_STATE_HOME'] || join(homedir(), '.local', 'state'), 'media-service')
}

interface Entry {
  id: string
  key?: string
  media_id?: string
}

/** @param run what names the run: service, files, title, profile */
export async function openJournal(folder: string, run: readonly string[], now: number): Promise<Journal> {
  const path = join(folder, 'runs', `${hashOf(run)}.jsonl`)
  const age = await stat(path).then(
    ({ mtimeMs }) => now - mtimeMs,
    () => 0,
  )
  if (age > life) await rm(path, { force: true })
  await mkdir(join(folder, 'runs'), { recursive: true })
  const keys = new Map<string, string>()
  const done = new Map<string, string>()
  for (const { id, key, media_id } of entriesOf(await readFile(path, 'utf8').catch(() => ''))) {
    if (key) keys.set(id, key)
    if (media_id) done.set(id, media_id)
  }
  const note = async (entry: Entry) => await appendFile(path, `${JSON.stringify(entry)}\n`)
  return {
    media_idOf: (file) => done.get(idOf(file)),
    keyOf: async (file) => {
      const id = idOf(file)
      const key = keys.get(id) ?? randomUUID()
      if (!keys.has(id)) await note({ id, key })
      keys.set(id, key)
      return key
    },
    done: async (file, media_id) => await note({ id: idOf(file), media_id }),
    forget: (file) => {
      done.delete(idOf(file))
      keys.delete(idOf(file))
    },
    remove: async () => await rm(path, { force: true }),
  }
}

/** A line that a crash has cut is passed over. */
function entriesOf(text: string): Entry[] {
  return text.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as Entry]
    } catch {
      return []
    }
  })
}

function idOf({ absolute, size, mtimeMs }: FileToSend): string {
  return hashOf([absolute, String(size), String(mtimeMs)])
}

function hashOf(texts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(texts)).digest('hex').slice(0, 32)
}
