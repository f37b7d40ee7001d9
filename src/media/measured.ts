import type { MediaType } from './record.ts'

/** What it took to make a media's outputs; for figures. */
export interface Measured {
  media_type: MediaType
  /** Seconds: fetching and hashing the raw bytes, making the outputs, storing what was not stored meanwhile. */
  steps: { fetch: number; make: number; store: number }
  /** Seconds that it plays; null for pictures, and where its segments were made by jobs of their own. */
  duration: number | null
  /** Bytes of all renditions. */
  bytes: number
}

/** Where an edge had a reply from: its memory, its disk, or the store or origin behind it. */
export type ServedFrom = 'memory' | 'disk' | 'store'
