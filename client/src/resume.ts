/** What is remembered of an upload, to go on with it after a reload or in another process. Plain data. */
export interface Remembered {
  /** Under which it was begun: sent again, the service answers the same upload. */
  idempotency_key: string
  title: string
  checksum: string | null
  /** Null while it is not known whether the service has begun it. */
  media_id: string | null
  /** ISO 8601: afterwards it is worth nothing. */
  expires_at: string
}

/** Keeps uploads under way by file. What it throws is passed over: an upload never fails because it cannot be remembered. */
export interface ResumeStore {
  get(key: string): Remembered | null | Promise<Remembered | null>
  set(key: string, value: Remembered): void | Promise<void>
  remove(key: string): void | Promise<void>
}

/** What is used of `localStorage`. */
export interface KeyValueStorage {
  readonly length: number
  key(index: number): string | null
  getItem(key: string): string | null
  setItem(key: string, value: string): void
  removeItem(key: string): void
}

/** Uploads under way in `localStorage`, or whatever looks like it; those that have expired are swept out. */
export function storageResumeStore(storage: KeyValueStorage, prefix = 'media-upload:'): ResumeStore {
  function sweep(): void {
    const keys = Array.from({ length: storage.length }, (_, index) => storage.key(index))
    for (const key of keys) {
      if (key?.startsWith(prefix) && isOver(parse(storage.getItem(key)))) storage.removeItem(key)
    }
  }
  return {
    get: (key) => parse(storage.getItem(prefix + key)),
    set: (key, value) => {
      sweep()
      storage.setItem(prefix + key, JSON.stringify(value))
    },
    remove: (key) => storage.removeItem(prefix + key),
  }
}

/** The browser's own; undefined where there is none or the page may not use it. */
export function defaultResumeStore(): ResumeStore | undefined {
  try {
    // In Node even to look at `localStorage` warns.
    if (!('document' in globalThis)) return undefined
    const { localStorage } = globalThis as { localStorage?: KeyValueStorage }
    return localStorage && storageResumeStore(localStorage)
  } catch {
    return undefined
  }
}

export function parse(text: string | null): Remembered | null {
  try {
    const value = JSON.parse(text ?? 'null')
    return typeof value?.idempotency_key === 'string' && typeof value.expires_at === 'string' ? value : null
  } catch {
    return null
  }
}

export function isOver(value: Remembered | null): boolean {
  return value === null || !(Date.parse(value.expires_at) > Date.now())
}

/** One upload's place in a store; whatever the store does, this does not throw. */
export interface Memory {
  recall(): Promise<Remembered | null>
  keep(value: Remembered): Promise<void>
  forget(): Promise<void>
}

export function openMemory(store: ResumeStore | undefined, key: string): Memory {
  const softly = async <T>(work: () => T | Promise<T>): Promise<T | null> => {
    try {
      return await work()
    } catch {
      return null
    }
  }
  return {
    recall: async () => {
      const found = await softly(() => store?.get(key) ?? null)
      return isOver(found) ? null : found
    },
    keep: async (value) => void (await softly(() => store?.set(key, value))),
    forget: async () => void (await softly(() => store?.remove(key))),
  }
}
