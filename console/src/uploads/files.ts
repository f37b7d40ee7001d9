/** Files as people give them: dropped with folders, pasted, picked. */

export interface GivenFile {
  file: File
  handle?: FileSystemFileHandle
}

/** What systems put into folders by themselves. */
const rubbish = /^(\.|Thumbs\.db$|desktop\.ini$)/i

/** Everything that was dropped, folders to the bottom. To be called before the event is over. */
export async function filesOf(data: DataTransfer): Promise<GivenFile[]> {
  const items = [...data.items].filter(({ kind }) => kind === 'file')
  if (items.length === 0) return [...data.files].map((file) => ({ file }))
  const asked = items.map((item) => ({
    entry: item.webkitGetAsEntry?.() ?? null,
    file: item.getAsFile(),
    handle: handleOf(item),
  }))
  const found = await Promise.all(
    asked.map(async ({ entry, file, handle }) => {
      if (entry?.isDirectory) return await filesBelow(entry as FileSystemDirectoryEntry)
      const opened = await handle
      return file ? [{ file, ...(opened ? { handle: opened } : {}) }] : []
    }),
  )
  return found.flat().filter(({ file }) => !rubbish.test(file.name))
}

/** With it the file can be opened again after a reload; only some browsers have it. */
async function handleOf(item: DataTransferItem): Promise<FileSystemFileHandle | undefined> {
  const open = (item as { getAsFileSystemHandle?: () => Promise<FileSystemHandle | null> }).getAsFileSystemHandle
  const handle = await open?.call(item).catch(() => null)
  return handle?.kind === 'file' ? (handle as FileSystemFileHandle) : undefined
}

async function filesBelow(folder: FileSystemDirectoryEntry): Promise<GivenFile[]> {
  const found: GivenFile[] = []
  const reader = folder.createReader()
  for (;;) {
    // "Continue calling readEntries() until an empty array is returned."
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject))
    if (entries.length === 0) return found
    for (const entry of entries) {
      if (entry.isDirectory) found.push(...(await filesBelow(entry as FileSystemDirectoryEntry)))
      else found.push({ file: await openEntry(entry as FileSystemFileEntry) })
    }
  }
}

async function openEntry(entry: FileSystemFileEntry): Promise<File> {
  return await new Promise((resolve, reject) => entry.file(resolve, reject))
}

export function listOf(files: Iterable<File>): GivenFile[] {
  return [...files].filter(({ name }) => !rubbish.test(name)).map((file) => ({ file }))
}
