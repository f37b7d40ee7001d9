import { MediaError } from '../media/errors.ts'

/** Lets so many run at once; so many others wait in order. @throws MediaError `unavailable` to who finds it full */
export function openGate(limit: number, waitingAtMost = 10_000): <T>(run: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = []
  let running = 0
  return async (run) => {
    if (waiting.length >= waitingAtMost) throw new MediaError('unavailable', 'too many requests wait for DynamoDB')
    if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve))
    else running += 1
    try {
      return await run()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else running -= 1
    }
  }
}

/** One at a time for each name; the others wait in order. */
export function openTurns(): <T>(name: string, run: () => Promise<T>) => Promise<T> {
  const last = new Map<string, Promise<unknown>>()
  return async (name, run) => {
    const mine = (last.get(name) ?? Promise.resolve()).then(run, run)
    last.set(name, mine)
    try {
      return await mine
    } finally {
      if (last.get(name) === mine) last.delete(name)
    }
  }
}
