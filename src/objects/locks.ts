/** One piece of work at a time under a name, in the order asked. */
export interface Locks {
  hold<T>(name: string, work: () => Promise<T>): Promise<T>
}

export function openLocks(): Locks {
  const last = new Map<string, Promise<void>>()
  return {
    hold: async (name, work) => {
      const before = last.get(name)
      const { promise: done, resolve: release } = Promise.withResolvers<void>()
      last.set(name, done)
      await before
      try {
        return await work()
      } finally {
        if (last.get(name) === done) last.delete(name)
        release()
      }
    },
  }
}
