import type { Clock } from '../media/clock.ts'
import type { HeldCursor, Metadata } from '../metadata/port.ts'

/** How far the event log has become webhooks, and who wants none any more. */
export interface Place {
  /** Of the log; everything before it is noted as deliveries. */
  cursor: string | null
  /** ISO 8601. What happened earlier was before there were webhooks. */
  since: string
  /** Endpoints that answered 410, with what they were then. */
  gone: Record<string, string>
}

export interface HeldPlace {
  place: Place
  /** Notes the place as it is now and lengthens the lease. Resolves false when it is another's: the holder must stop. */
  keep(): Promise<boolean>
  giveBack(): Promise<void>
}

export interface PlaceGiven {
  name: string
  metadata: Pick<Metadata, 'takeCursor' | 'moveCursor'>
  clock: Clock
  lease: number
  /** What holds where nothing was noted yet. */
  first: Place
}

/** Takes the place for this process; null while another has it. */
export async function takePlace({ name, metadata, clock, lease, first }: PlaceGiven): Promise<HeldPlace | null> {
  const now = clock.now()
  const held = await metadata.takeCursor(name, { now, lease_until: now + lease })
  if (!held) return null
  const place = held.value === null ? first : (JSON.parse(held.value) as Place)
  let last: Promise<unknown> = Promise.resolve()
  const move = async ({ token }: HeldCursor, lease_until: () => number) =>
    await metadata.moveCursor(name, { token, value: JSON.stringify(place), lease_until: lease_until() })
  // One after the other: a later note must not be overtaken by an earlier one.
  function inTurn<T>(write: () => Promise<T>): Promise<T> {
    const mine = last.then(write, write)
    last = mine.catch(() => {})
    return mine
  }
  return {
    place,
    keep: () => inTurn(() => move(held, () => clock.now() + lease)),
    giveBack: async () => void (await inTurn(() => move(held, () => 0))),
  }
}
