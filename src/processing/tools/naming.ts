import { constants, copyFile, link } from 'node:fs/promises'

/**
 * Gives a file a second name, which keeps its bytes where they are, and alive while they are read. Other disks and other
 * owners get a copy.
 * @param path nothing may be there: written over, a second name would change the file that it names
 */
export async function linkOrCopy(from: string, path: string): Promise<void> {
  try {
    await link(from, path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'EEXIST') throw error
    await copyFile(from, path, constants.COPYFILE_EXCL)
  }
}
