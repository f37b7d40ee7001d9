/** A memory of bounded weight: what was not used for longest goes first, by halves. */
export interface Lru<V> {
  get(key: string): V | undefined
  /** Keeps `value`, unless it alone weighs more than half of what everything may. */
  set(key: string, value: V, weight: number): void
  delete(key: string): void
  /** Walks over everything: for rare events. */
  deletePrefix(prefix: string): void
  /** The sum of the weights. */
  weight(): number
}

interface Half<V> {
  entries: Map<string, { value: V; weight: number }>
  weight: number
}

/**
 * Two halves: what is used is in the young one, and when that is full it becomes the old one, whose rest is let go.
 * Exact order would cost a deletion and an insertion at every look, five times the look itself.
 */
export function openLru<V>(limit: number): Lru<V> {
  let young: Half<V> = { entries: new Map(), weight: 0 }
  let old: Half<V> = { entries: new Map(), weight: 0 }

  function remove(half: Half<V>, key: string): void {
    half.weight -= half.entries.get(key)?.weight ?? 0
    half.entries.delete(key)
  }

  function keep(key: string, entry: { value: V; weight: number }): void {
    if (young.weight + entry.weight > limit / 2) {
      old = young
      young = { entries: new Map(), weight: 0 }
    }
    young.entries.set(key, entry)
    young.weight += entry.weight
  }

  return {
    get(key) {
      const recent = young.entries.get(key)
      if (recent) return recent.value
      const entry = old.entries.get(key)
      if (!entry) return undefined
      remove(old, key)
      keep(key, entry)
      return entry.value
    },
    set(key, value, weight) {
      remove(young, key)
      remove(old, key)
      if (weight <= limit / 2) keep(key, { value, weight })
    },
    delete(key) {
      remove(young, key)
      remove(old, key)
    },
    deletePrefix(prefix) {
      for (const half of [young, old]) {
        for (const key of half.entries.keys()) if (key.startsWith(prefix)) remove(half, key)
      }
    },
    weight: () => young.weight + old.weight,
  }
}
