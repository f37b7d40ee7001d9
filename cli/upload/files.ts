import { lstat, readdir, stat } from 'node:fs/promises'
import { join, parse, resolve } from 'node:path'
import { CliError } from '../errors.ts'
import { exitCodes } from '../exit-codes.ts'

export interface FileToSend {
  /** As it is shown. */
  path: string
  absolute: string
  title: string
  /** Its name on one line: `\n` may stand in a name, and nobody wants to see it there. */
  filename: string
  size: number
  mtimeMs: number
}

/**
 * The files that the arguments name, folders' files in order of their names; hidden ones and links to folders are left out.
 * @throws CliError for what is not there, and for a folder without `recursive`: before anything is sent
 */
export async function findFiles(
  paths: readonly string[],
  { recursive }: { recursive: boolean },
): Promise<FileToSend[]> {
  const found = new Map<string, FileToSend>()
  for (const path of paths) {
    const is = await stat(path).catch((error: NodeJS.ErrnoException) => {
      throw new CliError(`${path} ${error.code === 'ENOENT' ? 'is not there' : `cannot be read (${error.code})`}.`, {
        code: 'file_missing',
        exit: exitCodes.notFound,
        hint: 'Nothing was uploaded.',
      })
    })
    if (is.isDirectory() && !recursive) {
      throw new CliError(`${path} is a folder.`, {
        hint: 'Say -r to upload the files in it, and in the folders below.',
      })
    }
    if (!is.isDirectory() && !is.isFile()) throw new CliError(`${path} is no file.`)
    const files = is.isDirectory() ? walk(path) : [path]
    for await (const file of files) {
      const one = await describe(file)
      if (one) found.set(one.absolute, one)
    }
  }
  return [...found.values()]
}

async function* walk(folder: string): AsyncGenerator<string> {
  const entries = await readdir(folder, { withFileTypes: true })
  entries.sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }))
  for (const entry of entries) {
    const path = join(folder, entry.name)
    if (entry.name.startsWith('.')) continue
    if (entry.isDirectory()) yield* walk(path)
    else if (entry.isFile() || (entry.isSymbolicLink() && (await isLinkedFile(path)))) yield path
  }
}

async function isLinkedFile(path: string): Promise<boolean> {
  return await stat(path).then(
    (is) => is.isFile(),
    () => false,
  )
}

/** Null for what went away meanwhile. */
async function describe(path: string): Promise<FileToSend | null> {
  const is = await stat(path).catch(() => lstat(path).catch(() => null))
  if (!is) return null
  const { size, mtimeMs } = is
  return { path, absolute: resolve(path), title: titleOf(path), filename: onOneLine(parse(path).base), size, mtimeMs }
}

function onOneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cs}\ufffd]/gu, ' ')
}

/** The name without its ending, as a title may be. */
function titleOf(path: string): string {
  const { name, base } = parse(path)
  const title = onOneLine(name || base).slice(0, 500)
  return title.trim() === '' ? 'Untitled' : title
}
