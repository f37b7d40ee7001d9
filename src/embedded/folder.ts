import { access, constants, mkdir } from 'node:fs/promises'

/**
 * Makes the data folder when it is missing.
 * @param writable false for a process that only reads
 * @throws Error naming DATA_DIR when it cannot be made, is no folder, or nothing can be written there.
 */
export async function openDataFolder(path: string, { writable = true } = {}): Promise<void> {
  try {
    await mkdir(path, { recursive: true })
    await access(path, constants.R_OK | constants.X_OK | (writable ? constants.W_OK : 0))
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unknown'
    const said = reason === 'EEXIST' || reason === 'ENOTDIR' ? 'is no folder' : 'cannot be made or written'
    throw new Error(`DATA_DIR is ${path}, which ${said} (${reason}). Set it to a folder of this user.`, { cause })
  }
}
