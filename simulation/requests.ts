import { type Library, openLibrary } from '../src/library/library.ts'
import { codeOf } from '../src/media/errors.ts'
import type { ObjectStore } from '../src/objects/port.ts'
import { openAdmission } from '../src/quotas/admission.ts'
import { type Intake, openIntake } from '../src/uploads/intake.ts'
import { openPending, type Pending } from '../src/uploads/pending.ts'
import { type Host, openHost } from './faults.ts'
import type { World } from './world.ts'

const minute = 60_000

/** The doors of one API process. */
export interface Door {
  intake: Intake
  pending: Pending
  library: Library
  objects: ObjectStore
}

/** A request to an API process of its own, which may die under it: then, as when it is refused, there is no answer. */
export type Ask = <T>(request: (door: Door) => Promise<T>) => Promise<T | undefined>

export function askOf(world: World): Ask {
  const { clock, random, log } = world
  return async (request) => {
    const host = openHost(clock, random, () => world.rates)
    const answer = request(openDoor(world, host)).catch((error) => {
      log.debug({ code: codeOf(error) }, 'refused')
      return undefined
    })
    // A request in a process that died is never answered: the caller goes on after a while.
    return await Promise.race([answer, clock.sleep(minute).then(() => undefined)])
  }
}

function openDoor({ metadata, queue, objects, chance, log, jobs, expirySeconds }: World, { clock, reach }: Host): Door {
  const ports = { metadata: reach(metadata), queue: reach(queue), objects: reach(objects) }
  const admission = openAdmission({ ...ports, clock, log, jobs, concurrency: 2 })
  const shared = { ...ports, admission, clock, chance, log, tempBucket: 'temp' }
  return {
    intake: openIntake({ ...shared, formLimit: 1_000_000 }),
    pending: openPending({ ...shared, maxBytes: 1_000_000, expirySeconds }),
    library: openLibrary(shared),
    objects: ports.objects,
  }
}
