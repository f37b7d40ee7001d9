import type { Media, Status } from '../client/src/contract.ts'
import { bytesText, plain, type Screen, timeText } from './screen.ts'

/** How media are shown to a person. */

const colours = {
  uploading: 'yellow',
  uploaded: 'yellow',
  processing: 'cyan',
  processed: 'green',
  failed: 'red',
  deleted: 'gray',
} as const satisfies Record<Status, string>

export function paintStatus(screen: Screen, status: Status, text: string = status): string {
  return screen.paint(colours[status], text)
}

/** `processing 45 %`, or only the status. */
export function statusText({ status, progress }: Pick<Media, 'status' | 'progress'>): string {
  return status === 'processing' ? `processing ${Math.floor(progress)} %` : status
}

/** Local time, as `2026-11-23 08:15`. */
export function dateText(iso: string): string {
  const date = new Date(iso)
  const two = (n: number) => String(n).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`
}

export function sizeText({ width, height }: Pick<Media, 'width' | 'height'>): string | null {
  return width && height ? `${width} × ${height}` : null
}

/** A record as lines of names and values; what is not known is left out. */
export function recordLines(media: Media): [string, string][] {
  const { error, duration, file_size } = media
  const lines: [string, string | null][] = [
    ['media_id', media.media_id],
    ['title', media.title],
    ['status', statusText(media)],
    ['error', error && `${error.message} (${error.code})`],
    ['type', [media.media_type, media.content_type].filter(Boolean).join(', ')],
    ['filename', media.filename],
    ['size', file_size === null ? null : bytesText(file_size)],
    ['picture', sizeText(media)],
    ['duration', duration === null ? null : timeText(duration)],
    ['uploaded', dateText(media.upload_time)],
    ['attempts', media.attempts > 1 ? String(media.attempts) : null],
    ['warnings', media.warnings.join(', ')],
    ['checksum', media.checksum],
    ['address', media.media_url],
  ]
  return lines.flatMap(([name, value]) => (value ? [[name, plain(value)]] : []))
}

/** A row of the table of renditions. */
export function renditionRow(one: Media['renditions'][number]): string[] {
  const { name, content_type, file_size, bitrate } = one
  const rate = bitrate ? `${Math.round(bitrate / 1000)} kbit/s` : ''
  return [name, content_type, bytesText(file_size), sizeText(one) ?? '', rate].map(plain)
}
