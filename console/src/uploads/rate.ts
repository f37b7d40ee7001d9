/** Bytes a second over the last seconds: what a person calls the speed. */
export interface Rate {
  add(total: number, now: number): void
  perSecond(now: number): number
}

const window = 6_000

export function openRate(): Rate {
  let samples: { at: number; total: number }[] = []
  return {
    add: (total, at) => {
      samples = samples.filter((one) => at - one.at <= window)
      // After a broken part less is on its way than before: that is no speed.
      if (total < (samples.at(-1)?.total ?? 0)) samples = []
      samples.push({ at, total })
    },
    perSecond: (now) => {
      const first = samples.find((one) => now - one.at <= window)
      const last = samples.at(-1)
      if (!first || !last || last.at - first.at < 250) return 0
      return ((last.total - first.total) / (last.at - first.at)) * 1_000
    },
  }
}
