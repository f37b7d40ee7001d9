import type { Cdn } from '../cdn/port.ts'
import type { ObjectStore } from '../objects/port.ts'
import type { Segmenting } from './segments.ts'

/** What doing the work of a job takes. */
export interface Performing extends Segmenting {
  objects: ObjectStore
  /** What delivers; absent where it follows the metadata by itself. */
  cdn?: Cdn | undefined
  processedBucket: string
  leaseMs: number
  /** As operators know it. */
  worker_id?: string
}
