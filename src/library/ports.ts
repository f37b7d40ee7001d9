import type { Admission } from '../media/admission.ts'
import type { Clock } from '../media/clock.ts'
import type { Log } from '../media/log.ts'
import type { Metadata } from '../metadata/port.ts'
import type { ObjectStore } from '../objects/port.ts'
import type { Queue } from '../queue/port.ts'

/** What is needed to have something done with media that are there. */
export interface LibraryPorts {
  metadata: Metadata
  objects: ObjectStore
  queue: Queue
  clock: Clock
  log: Log
  /** How much one user may have in flight; without it everything. */
  admission?: Admission
}
