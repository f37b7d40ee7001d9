/** A memory of bounded weight: what was not used for longest goes first. */
export interface Lru<V> {
  get(key: string): V | undefined
  /** Keeps `value`, unless it alone weighs more than everything may. */
  set(key: string, value: V, weight: number): void
  delete(key: string): void
  /** Walks over everything: for rare events. */
  deletePrefix(prefix: string): void
  /** The sum of the weights. */
  weight(): number
}

export function openLru<V>(limit: number): Lru<V> {
  // A Map keeps the order in which keys were set: oldest first.
  const entries = new Map<string, { value: V; weight: number }>()
  let total = 0

  function remove(key: string): void {
    total -= entries.get(key)?.weight ?? 0
    entries.delete(key)
  }

  return {
    get(key) {
      const entry = entries.get(key)
      if (!entry) return undefined
      entries.delete(key)
      entries.set(key, entry)
      return entry.value
    },
    set(key, value, weight) {
      remove(key)
      if (weight > limit) return
      entries.set(key, { value, weight })
      total += weight
      for (const oldest of entries.keys()) {
        if (total <= limit) break
        remove(oldest)
      }
    },
    delete: remove,
    deletePrefix(prefix) {
      for (const key of entries.keys()) if (key.startsWith(prefix)) remove(key)
    },
    weight: () => total,
  }
}
