import { readFile } from 'node:fs/promises'

/** @throws Error naming the variable whose file cannot be read. */
export async function readSettingFile(variable: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unknown'
    throw new Error(`${variable} names a file that cannot be read (${reason}): ${path}`, { cause })
  }
}
