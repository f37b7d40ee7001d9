export interface Progress {
  /** Bytes that the store has acknowledged: they survive whatever happens next. */
  stored_bytes: number
  /** The same and those on their way. */
  sent_bytes: number
  /** Bytes of the file. */
  total: number
}

export interface Meter {
  /** These pieces are stored, and no others. */
  held(pieces: Iterable<readonly [n: number, bytes: number]>): void
  /** Piece `n` has so many bytes on their way. */
  sent(n: number, bytes: number): void
  /** Piece `n` is stored. */
  stored(n: number, bytes: number): void
  /** Piece `n` is not on its way any more. */
  dropped(n: number): void
}

/** Milliseconds between two reports of bytes on their way. */
const pause = 100

/** Adds up what pieces report, and tells it: at once when something is stored, now and then when it is on its way. */
export function openMeter(total: number, onProgress: ((progress: Progress) => void) | undefined): Meter {
  const underway = new Map<number, number>()
  let done = new Set<number>()
  let stored = 0
  let told = 0

  function tell(): void {
    told = Date.now()
    let sent = stored
    for (const bytes of underway.values()) sent += bytes
    try {
      onProgress?.({ stored_bytes: stored, sent_bytes: Math.min(sent, total), total })
    } catch (error) {
      // The caller's mistake is the caller's to see; it says nothing of the upload.
      void Promise.reject(error)
    }
  }

  function add(n: number, bytes: number): void {
    underway.delete(n)
    if (done.has(n)) return
    done.add(n)
    stored += bytes
  }

  return {
    held: (pieces) => {
      done = new Set()
      stored = 0
      for (const [n, bytes] of pieces) add(n, bytes)
      if (stored > 0) tell()
    },
    sent: (n, bytes) => {
      underway.set(n, bytes)
      if (Date.now() - told >= pause) tell()
    },
    stored: (n, bytes) => {
      add(n, bytes)
      tell()
    },
    dropped: (n) => void underway.delete(n),
  }
}
