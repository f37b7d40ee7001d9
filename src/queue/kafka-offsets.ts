/** What of a partition was handed out and settled: what may be committed is what has nothing unsettled before it. */
export interface Offsets {
  /** Notes a message; false when it was here before, or its partition is not ours (any more): then it is another's. */
  take(partition: number, offset: bigint): boolean
  settle(partition: number, offset: bigint): void
  /** Whether the partition is ours still, and it has not been taken away in between. */
  holds(partition: number, offset: bigint): boolean
  /** Forgets what is no more ours. */
  assign(partitions: readonly number[]): void
  /** Where to go on after a restart, of partitions that have moved since they were `committed`. */
  due(): Map<number, bigint>
  committed(partition: number, offset: bigint): void
}

interface Partition {
  /** In order. */
  unsettled: Map<bigint, boolean>
  /** The first that was never here. */
  next: bigint
  /** Where the last commit says to go on. */
  saved: bigint
}

export function openOffsets(): Offsets {
  const partitions = new Map<number, Partition>()
  let ours: readonly number[] = []

  return {
    take: (number, offset) => {
      if (!ours.includes(number)) return false
      const partition = partitions.get(number) ?? { unsettled: new Map(), next: offset, saved: offset }
      partitions.set(number, partition)
      if (offset < partition.next) return false
      partition.unsettled.set(offset, false)
      partition.next = offset + 1n
      return true
    },
    settle: (number, offset) => {
      const partition = partitions.get(number)
      if (!partition?.unsettled.has(offset)) return
      partition.unsettled.set(offset, true)
      for (const [first, settled] of partition.unsettled) {
        if (!settled) break
        partition.unsettled.delete(first)
      }
    },
    holds: (number, offset) => partitions.get(number)?.unsettled.get(offset) === false,
    assign: (numbers) => {
      ours = numbers
      for (const number of partitions.keys()) if (!numbers.includes(number)) partitions.delete(number)
    },
    due: () => {
      const due = new Map<number, bigint>()
      for (const [number, { unsettled, next, saved }] of partitions) {
        const [first] = unsettled.keys()
        if ((first ?? next) > saved) due.set(number, first ?? next)
      }
      return due
    },
    committed: (number, offset) => {
      const partition = partitions.get(number)
      if (partition && offset > partition.saved) partition.saved = offset
    },
  }
}
