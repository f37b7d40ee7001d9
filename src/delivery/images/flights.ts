import { MediaError } from '../../media/errors.ts'

/** One piece of work for any number of those who want its result. */
export interface Flights<T> {
  /** Joins what is under way by this name, or begins it. The work is aborted when nobody waits for it any more. */
  join(name: string, signal: AbortSignal, begin: (signal: AbortSignal) => Promise<T>): Promise<T>
}

interface Flight<T> {
  result: Promise<T>
  waiters: number
  stop: AbortController
}

export function openFlights<T>(): Flights<T> {
  const under = new Map<string, Flight<T>>()

  function start(name: string, begin: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const stop = new AbortController()
    const flight: Flight<T> = { result: begin(stop.signal), waiters: 0, stop }
    under.set(name, flight)
    const land = () => {
      if (under.get(name) === flight) under.delete(name)
    }
    flight.result.then(land, land)
    return flight
  }

  return {
    async join(name, signal, begin) {
      signal.throwIfAborted()
      const flight = under.get(name) ?? start(name, begin)
      flight.waiters++
      const { promise: left, reject } = Promise.withResolvers<never>()
      const onAbort = () => reject(signal.reason)
      signal.addEventListener('abort', onAbort, { once: true })
      try {
        return await Promise.race([flight.result, left])
      } finally {
        signal.removeEventListener('abort', onAbort)
        if (--flight.waiters === 0 && under.get(name) === flight) {
          under.delete(name)
          flight.stop.abort(new MediaError('interrupted', 'nobody waits for it any more'))
        }
      }
    },
  }
}
