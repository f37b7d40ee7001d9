/**
 * What is being uploaded, so that a reload loses nothing. Small files are kept whole, and go on by themselves; of larger ones
 * the browser may keep a handle, which its user must open again; of all others the name, so that the file can be asked for.
 */

export interface Kept {
  id: string
  name: string
  type: string
  size: number
  lastModified: number
  title: string
  added: number
  paused: boolean
  /** Known once the service has begun it. */
  media_id: string | null
  /** Who began it: nobody else goes on with it. */
  owner: string
  blob?: Blob
  handle?: FileSystemFileHandle
}

/** Bytes of a file, and of all, that are copied into the browser's own store. */
const largestCopy = 64 * 1024 * 1024
const largestCopies = 512 * 1024 * 1024

let database: Promise<IDBDatabase> | null = null
let copied = 0

function open(): Promise<IDBDatabase> {
  database ??= new Promise((resolve, reject) => {
    const request = indexedDB.open('media-console', 1)
    request.onupgradeneeded = () => request.result.createObjectStore('uploads', { keyPath: 'id' })
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
  return database
}

async function within<T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const transaction = (await open()).transaction('uploads', mode)
  const request = work(transaction.objectStore('uploads'))
  return await new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(request.result)
    transaction.onabort = () => reject(transaction.error)
  })
}

/** A browser that keeps nothing, as in a private window, still uploads. */
async function softly<T>(work: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    return await work()
  } catch {
    return otherwise
  }
}

/** Its name first, which takes no time: whoever reloads while the bytes are copied is asked for the file again. */
export async function keep(entry: Kept, file: File): Promise<void> {
  await softly(async () => void (await within('readwrite', (store) => store.put(entry))), undefined)
  const copy = !entry.handle && file.size <= largestCopy && copied + file.size <= largestCopies
  if (!copy) return
  copied += file.size
  await change(entry.id, { blob: file })
}

/** In one transaction, so that of two changes at once none is lost. */
export async function change(id: string, fields: Partial<Kept>): Promise<void> {
  const changed = (store: IDBObjectStore) => {
    const request = store.get(id)
    request.addEventListener('success', () => {
      if (request.result) store.put({ ...request.result, ...fields })
    })
    return request
  }
  await softly(async () => void (await within('readwrite', changed)), undefined)
}

export async function drop(id: string): Promise<void> {
  await softly(async () => void (await within('readwrite', (store) => store.delete(id))), undefined)
}

export async function readKept(owner: string): Promise<Kept[]> {
  const all = await softly(async () => (await within('readonly', (store) => store.getAll())) as Kept[], [])
  return all.filter((one) => one.owner === owner).toSorted((a, b) => a.added - b.added)
}

/** The file itself; null when only its user can give it. Asks them where that is allowed, which a click must be behind. */
export async function reopen(kept: Kept, { mayAsk }: { mayAsk: boolean }): Promise<File | null> {
  const { name, type, lastModified, blob } = kept
  if (blob) return new File([blob], name, { type, lastModified })
  const handle = kept.handle as (FileSystemFileHandle & Permissions) | undefined
  if (!handle) return null
  return await softly(async () => {
    const state = await (mayAsk ? handle.requestPermission({ mode: 'read' }) : handle.queryPermission({ mode: 'read' }))
    return state === 'granted' ? await handle.getFile() : null
  }, null)
}

interface Permissions {
  queryPermission(what: { mode: 'read' }): Promise<PermissionState>
  requestPermission(what: { mode: 'read' }): Promise<PermissionState>
}

export function isSame(kept: Pick<Kept, 'name' | 'size' | 'lastModified'>, file: File): boolean {
  return kept.name === file.name && kept.size === file.size && kept.lastModified === file.lastModified
}
