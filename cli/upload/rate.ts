import { bytesText, timeText } from '../screen.ts'

/** Bytes of all files together, how fast they go, and how long it still takes. */
export interface Rate {
  add(bytes: number): void
  text(): string
}

/** Milliseconds that the speed is measured over. */
const window = 5_000

export function openRate(total: number, now: () => number = () => performance.now()): Rate {
  const marks: { at: number; bytes: number }[] = [{ at: now(), bytes: 0 }]
  let sent = 0

  function speed(): number {
    const at = now()
    while (marks.length > 2 && at - (marks[1]?.at ?? at) > window) marks.shift()
    const [first] = marks
    return first && at > first.at ? ((sent - first.bytes) / (at - first.at)) * 1000 : 0
  }

  return {
    add: (bytes) => {
      sent += bytes
      const last = marks.at(-1)
      if (!last || now() - last.at >= 250) marks.push({ at: now(), bytes: sent })
    },
    text: () => {
      const bytes = `${bytesText(sent)} of ${bytesText(total)}`
      const perSecond = speed()
      if (sent >= total || perSecond < 1) return bytes
      return `${bytes}  ${bytesText(perSecond)}/s  ${timeText((total - sent) / perSecond)} left`
    },
  }
}
