import { MediaClientError, MediaServiceError, ServiceUnreachable } from '../../client/src/index.ts'

/** What is shown, in plain words: sizes, times, and what went wrong. */

const units = ['bytes', 'kB', 'MB', 'GB', 'TB']

/** `12.4 MB` */
export function sizeOf(bytes: number | null): string {
  if (bytes === null) return '—'
  const power = bytes < 1_000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3))
  const value = bytes / 1_000 ** power
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power]}`
}

/** `3:07`, `1:02:03` */
export function clockOf(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}

/** `about 2 min left` */
export function leftOf(seconds: number): string {
  if (!Number.isFinite(seconds)) return ''
  if (seconds < 5) return 'a few seconds left'
  if (seconds < 60) return `${Math.ceil(seconds / 5) * 5} s left`
  if (seconds < 3600) return `${Math.round(seconds / 60)} min left`
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min left`
}

/** `340 ms`, `2.4 s`, `3 min 5 s` */
export function spanOf(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1_000)} s`
  if (ms < 86_400_000) return `${Math.floor(ms / 3_600_000)} h ${Math.round((ms % 3_600_000) / 60_000)} min`
  return `${Math.round(ms / 86_400_000)} days`
}

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'short' })
const steps: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
]

/** `3 hours ago` */
export function agoOf(time: string): string {
  const seconds = (Date.parse(time) - Date.now()) / 1_000
  const found = steps.find(([, length]) => Math.abs(seconds) >= length)
  return found ? relative.format(Math.round(seconds / found[1]), found[0]) : 'just now'
}

const full = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'medium' })
const short = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' })

export function timeOf(time: string, { seconds = false } = {}): string {
  return (seconds ? full : short).format(new Date(time))
}

const plain: Record<string, string> = {
  unauthenticated: 'You are not signed in any more. Sign in and try again.',
  file_empty: 'The file is empty.',
  too_large: 'The file is larger than this service takes.',
  unsupported_media: 'This is not a video, picture or sound that the service can read.',
  storage_full: 'The service has no room left at the moment. Try again later.',
  slow_down: 'Too much at once. Wait a moment and try again.',
  source_changed: 'The file changed while it was being uploaded. Choose it again.',
  raw_expired: 'The original file is no longer kept, so it cannot be processed again. Upload it again.',
  not_found: 'It is not there any more.',
  not_operator: 'This page is for operators: sign in with a token that has the scope “operator”.',
}

/** What went wrong, for who uses the page. */
export function explain(error: unknown): string {
  if (error instanceof ServiceUnreachable) return 'No answer from the service. Check your connection.'
  if (error instanceof MediaServiceError) return plain[error.code] ?? error.detail
  if (error instanceof MediaClientError) return plain[error.code] ?? error.message
  return 'Something went wrong in this page. Reload it and try again.'
}

/** `IMG_2041.holiday.mov` → `IMG 2041.holiday` */
export function titleOf(filename: string): string {
  const bare = filename
    .replace(/\.[^.]{1,8}$/, '')
    .replace(/[_\s]+/g, ' ')
    .trim()
  return bare.replace(/[\p{Cc}\p{Cs}\ufffd]/gu, '').slice(0, 500) || filename.slice(0, 500) || 'Untitled'
}
