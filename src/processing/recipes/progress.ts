/** Without a duration to go by, progress slows down towards the end and never claims to be there. */
export function shareOf(seconds: number, duration: number | null): number {
  return duration === null ? seconds / (seconds + 30) : Math.min(1, seconds / duration)
}
