import type { Clock } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import type { Log } from '../media/log.ts'
import type { Metadata } from '../metadata/port.ts'
import { displaced, openUploadTurns, type Turn, type Turns } from './turns.ts'

export interface SharedTurnsOptions {
  metadata: Pick<Metadata, 'takeCursor' | 'moveCursor'>
  clock: Clock
  log: Log
}

/** Milliseconds after which a turn is free whose process was heard of no more. */
const leaseMs = 8_000
/** Milliseconds between two heartbeats of a holder: so soon he learns that somebody wants the turn. */
const beatEvery = 1_500
/** Milliseconds between two tries of who waits. */
const tryEvery = 250
/** Milliseconds that who waits gives the holder: to learn of it and leave, or for a dead one's lease to run out. */
const patience = 11_000

interface Seat {
  name: string
  /** Of the wish: it rises when somebody else wants the turn. */
  wish: number
  /** Of the turn itself. */
  token: number
  leaseUntil: number
}

/**
 * Turns that hold across processes. An upload has two named cursors: `upload.{name}` is the turn, under a lease that its
 * holder renews; `upload.{name}.wish` is taken by each who comes, so that its token tells those before that they are
 * to leave. Within a process they take turns as ever.
 */
export function openSharedTurns({ metadata, clock, log }: SharedTurnsOptions): Turns {
  const local = openUploadTurns({ clock })

  /** Raises the token of the wish, for whoever holds or waits. */
  async function wishFor(name: string): Promise<number> {
    const now = clock.now()
    // Its lease is over when it begins: a wish is never held, so that the next can always be made.
    const wish = await metadata.takeCursor(wishOf(name), { now, lease_until: 0 })
    if (!wish) throw new MediaError('unavailable', `the wish for upload ${name} is held`)
    return wish.token
  }

  const isWanted = async ({ name, wish }: Pick<Seat, 'name' | 'wish'>) =>
    !(await metadata.moveCursor(wishOf(name), { token: wish, value: null, lease_until: 0 }))

  /** @throws MediaError `conflict` when another has come meanwhile; `unavailable` when the holder does not leave. */
  async function sit(name: string, wanted: AbortSignal): Promise<Seat> {
    const wish = await wishFor(name)
    const deadline = clock.now() + patience
    for (;;) {
      const now = clock.now()
      const leaseUntil = now + leaseMs
      const held = await metadata.takeCursor(turnOf(name), { now, lease_until: leaseUntil })
      if (held) return { name, wish, token: held.token, leaseUntil }
      if (wanted.aborted || (await isWanted({ name, wish }))) throw displaced(name)
      if (now >= deadline) throw new MediaError('unavailable', `whoever writes to upload ${name} does not leave`)
      await clock.sleep(tryEvery)
    }
  }

  /** What the holder is to do: when he is wanted he still holds the turn until he has left. */
  async function beat(seat: Seat): Promise<'stay' | 'leave' | 'lost'> {
    const leaseUntil = clock.now() + leaseMs
    const kept = await metadata.moveCursor(turnOf(seat.name), {
      token: seat.token,
      value: null,
      lease_until: leaseUntil,
    })
    if (!kept) return 'lost'
    seat.leaseUntil = leaseUntil
    return (await isWanted(seat)) ? 'leave' : 'stay'
  }

  /** Renews until it is over; asks the holder to leave when somebody wants the turn, or when it is no longer his. */
  async function keep(seat: Seat, leave: AbortController, over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      await clock.sleep(beatEvery, over).catch(() => {})
      if (over.aborted) return
      try {
        const next = await inTime(beat(seat), seat.leaseUntil, over)
        if (next !== 'stay') leave.abort(displaced(seat.name))
        if (next === 'lost') return
      } catch (error) {
        if (over.aborted) return
        log.warn({ upload: seat.name, error }, 'the turn at an upload was not renewed')
        if (clock.now() < seat.leaseUntil - beatEvery) continue
        return leave.abort(lapsed(seat.name, error))
      }
    }
  }

  /** An answer that comes after the lease is none. */
  async function inTime<T>(asked: Promise<T>, until: number, over: AbortSignal): Promise<T> {
    const answered = new AbortController()
    const late = clock.sleep(Math.max(0, until - clock.now()), AbortSignal.any([answered.signal, over])).then(() => {
      throw new MediaError('unavailable', 'no answer in time')
    })
    return await Promise.race([asked, late]).finally(() => answered.abort())
  }

  async function giveBack({ name, token }: Seat): Promise<void> {
    await metadata
      .moveCursor(turnOf(name), { token, value: null, lease_until: 0 })
      .catch((error) => log.warn({ upload: name, error }, 'the turn at an upload is left until its lease runs out'))
  }

  function seated(seat: Seat, here: Turn): Turn {
    const leave = new AbortController()
    const over = new AbortController()
    const kept = keep(seat, leave, over.signal)
    return {
      wanted: AbortSignal.any([here.wanted, leave.signal]),
      end: async () => {
        over.abort()
        // A heartbeat under way would lengthen what is given back.
        await kept
        await giveBack(seat)
        await here.end()
      },
    }
  }

  return {
    take: async (name) => {
      const here = await local.take(name)
      try {
        return seated(await sit(name, here.wanted), here)
      } catch (error) {
        await here.end()
        throw error
      }
    },
  }
}

const turnOf = (name: string) => `upload.${name}`
const wishOf = (name: string) => `upload.${name}.wish`

function lapsed(name: string, cause: unknown): MediaError {
  return new MediaError('unavailable', `the turn at upload ${name} could not be renewed`, { cause })
}
