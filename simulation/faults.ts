import type { Clock } from '../src/media/clock.ts'
import { MediaError } from '../src/media/errors.ts'

/** What can go wrong with a call, as shares of all calls. */
export interface FaultRates {
  /** The call never reaches the engine. */
  refused: number
  /** The engine does it, and its answer is lost. */
  lost: number
  /** The process dies before or after the call. */
  crash: number
  /** The whole process stands still for a while, like a laptop that sleeps, and goes on as if nothing had been. */
  freeze: number
  /** Longest delay of a call, milliseconds. */
  delay: number
}

export const noFaults: FaultRates = { refused: 0, lost: 0, crash: 0, freeze: 0, delay: 0 }

/** Longer than leases and shorter, milliseconds. */
const longestFreeze = 120_000

/** One process of the simulated service: what runs in it stops for ever when it dies. */
export interface Host {
  alive(): boolean
  kill(): void
  clock: Clock
  /** The port as seen from this process: slow, failing, and silent once the process is dead. */
  reach<P extends object>(port: P): P
}

const never = new Promise<never>(() => {})

export function openHost(clock: Clock, random: () => number, rates: () => FaultRates): Host {
  let alive = true
  let frozenUntil = 0

  /** Goes on when the process does; never, once it is dead. */
  async function orNever<T>(value: T): Promise<T> {
    while (alive && clock.now() < frozenUntil) await clock.sleep(frozenUntil - clock.now())
    return alive ? value : await never
  }

  async function pass<T>(call: () => Promise<T>): Promise<T> {
    const { refused, lost, crash, freeze, delay } = rates()
    if (random() < freeze) frozenUntil = clock.now() + random() * longestFreeze
    if (delay > 0) await hostClock.sleep(random() * delay)
    if (random() < crash / 2) alive = false
    await orNever(undefined)
    if (random() < refused) throw new MediaError('unavailable', 'simulated: the engine cannot be reached')
    const answer = await call()
    if (random() < crash / 2) alive = false
    if (alive && random() < lost) throw new MediaError('unavailable', 'simulated: the answer was lost')
    return await orNever(answer)
  }

  /** A stream may stop between any two items, never in the middle of one. */
  async function* passEach<T>(items: AsyncIterable<T>): AsyncIterable<T> {
    for await (const item of items) {
      if (!alive) await never
      yield wrapped(item)
    }
  }

  function wrapped<T>(value: T): T {
    return typeof value === 'object' && value !== null && hasMethods(value) ? reach(value) : value
  }

  function reach<P extends object>(port: P): P {
    return new Proxy(port, {
      get: (target, name) => {
        const method: unknown = Reflect.get(target, name)
        if (typeof method !== 'function') return method
        return (...args: unknown[]) => {
          // Promised never to throw; after a crash nobody is there to call them.
          if (name === 'discard' || name === 'close') return method.apply(target, args)
          const answer: unknown =
            name === 'receive' || name === 'list' || name === 'expire' ? method.apply(target, args) : null
          if (answer !== null) return passEach(answer as AsyncIterable<unknown>)
          return pass(async () => wrapped(await method.apply(target, args)))
        }
      },
    })
  }

  const hostClock: Clock = {
    now: () => clock.now(),
    sleep: async (ms, signal) => {
      await clock.sleep(ms, signal)
      await orNever(undefined)
    },
  }

  return {
    alive: () => alive,
    kill: () => {
      alive = false
    },
    clock: hostClock,
    reach,
  }
}

function hasMethods(value: object): boolean {
  return Object.values(value).some((one) => typeof one === 'function')
}
