import type { Clock } from '../media/clock.ts'
import type { Metadata } from '../metadata/port.ts'

/** What one of many processes does for all of them, as long as it lives. */
export interface Lead {
  /** Whether it is this process now. Asks the metadata only now and then. */
  isOurs(): Promise<boolean>
  /** Gives it back, so that another need not wait for the lease to run out. */
  end(): Promise<void>
}

export interface LeadOptions {
  metadata: Pick<Metadata, 'takeCursor' | 'moveCursor'>
  clock: Clock
}

/** Milliseconds; asked for again, or lengthened, at a third. */
const leaseMs = 15_000

/** A lead by the lease on a named cursor. Two may hold themselves for it for a moment: what they do must bear that. */
export function openLead(name: string, { metadata, clock }: LeadOptions): Lead {
  let held: { token: number } | null = null
  let askedAt = Number.NEGATIVE_INFINITY

  async function ask(now: number): Promise<void> {
    const lease_until = now + leaseMs
    const kept = held !== null && (await metadata.moveCursor(name, { ...held, value: null, lease_until }))
    if (!kept) held = await metadata.takeCursor(name, { now, lease_until })
    askedAt = now
  }

  return {
    isOurs: async () => {
      const now = clock.now()
      if (now - askedAt >= leaseMs / 3) await ask(now)
      return held !== null
    },
    end: async () => {
      if (held) await metadata.moveCursor(name, { ...held, value: null, lease_until: 0 })
      held = null
    },
  }
}
