/** Those who write to an upload in this process, so that its end sends them away. */
export interface Writers {
  /** Runs work until it ends, its own signal aborts or the upload ends. */
  write<T>(name: string, signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T>
  /** Sends all writers away with `reason`, at once, and runs `work` alone; who comes meanwhile waits for that. */
  end<T>(name: string, reason: Error, work: () => Promise<T>): Promise<T>
}

interface Entry {
  over: AbortController
  writing: Set<Promise<unknown>>
  ending: Promise<unknown> | null
}

export function openWriters(): Writers {
  const entries = new Map<string, Entry>()

  function find(name: string): Entry {
    const found = entries.get(name) ?? { over: new AbortController(), writing: new Set(), ending: null }
    entries.set(name, found)
    return found
  }

  return {
    write: async (name, signal, work) => {
      // Nothing is awaited between this and what it guards.
      let entry = find(name)
      while (entry.ending) {
        await entry.ending.catch(() => {})
        entry = find(name)
      }
      const { over, writing } = entry
      const task = work(signal ? AbortSignal.any([signal, over.signal]) : over.signal)
      writing.add(task)
      try {
        return await task
      } catch (error) {
        // Whatever broke it, it broke because the upload has ended.
        throw over.signal.aborted && !signal?.aborted ? over.signal.reason : error
      } finally {
        writing.delete(task)
        if (writing.size === 0 && !entry.ending && entries.get(name) === entry) entries.delete(name)
      }
    },
    end: async (name, reason, work) => {
      let entry = find(name)
      while (entry.ending) {
        await entry.ending.catch(() => {})
        entry = find(name)
      }
      const { over, writing } = entry
      const task = (async () => {
        over.abort(reason)
        await Promise.allSettled(writing)
        return await work()
      })()
      entry.ending = task
      try {
        return await task
      } finally {
        entries.delete(name)
      }
    },
  }
}
