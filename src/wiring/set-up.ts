import type { Config } from '../config.ts'
import { systemChance, systemClock } from '../media/clock.ts'
import { setUpMetadata } from '../metadata/set-up.ts'
import { setUpObjects } from '../objects/set-up.ts'
import { setUpQueue } from '../queue/set-up.ts'
import { openLog } from './site.ts'

/**
 * Makes the buckets, the table, the queues or topics that the settings name, where they are missing; a second time it
 * changes nothing.
 * @param say is given each line of what was done, as soon as it is
 * @throws Error naming the room that could not be set up; what came before stays, and is found there the next time
 */
export async function setUp(config: Config, say: (line: string) => void): Promise<void> {
  const log = openLog(config.service.logLevel)
  const given = { clock: systemClock, chance: systemChance, log }
  const { publicUrl } = config.http
  // Pages that the service itself serves send parts straight to the store as well.
  const corsOrigins = [...new Set([...(publicUrl ? [new URL(publicUrl).origin] : []), ...config.http.corsOrigins])]
  const { tempDays, expirySeconds } = config.uploads
  const rooms: Record<string, { driver: string; run: () => Promise<string[]> }> = {
    objects: {
      driver: config.objects.driver,
      run: () => setUpObjects(config.objects, { ...given, corsOrigins, tempDays, expirySeconds }),
    },
    metadata: { driver: config.metadata.driver, run: () => setUpMetadata(config.metadata, given) },
    queue: { driver: config.queue.driver, run: () => setUpQueue(config.queue) },
  }
  for (const [room, { driver, run }] of Object.entries(rooms)) {
    if (driver === 'embedded' || driver === 'filesystem') {
      say(`${room}: nothing to set up, ${driver} makes what it needs at start`)
      continue
    }
    const lines = await run().catch((cause) => {
      throw new Error(`The set-up of ${room} on ${driver} failed: ${wordsOf(cause)}`, { cause })
    })
    for (const line of lines.length > 0 ? lines : ['nothing to do']) {
      say(line.startsWith(`${room}:`) ? line : `${room}: ${line}`)
    }
  }
}

/** An error of the network may have its words in what caused it. */
function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { message, name, cause } = error
  return [message || name, ...(cause === undefined ? [] : [wordsOf(cause)])].join(': ')
}
