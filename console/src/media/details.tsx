import type { ReactNode } from 'react'
import type { Media } from '../../../client/src/index.ts'
import { clockOf, sizeOf, timeOf } from '../words.ts'

const warnings: Record<string, string> = {
  audio_unsupported: 'Its sound could not be read and was left out.',
  subtitles_skipped: 'Subtitles that are pictures were left out.',
}

export function Details({ media }: { media: Media }) {
  const { filename, content_type, file_size, width, height, duration, upload_time, media_id, checksum, profile } = media
  const rows: [string, ReactNode][] = [
    ['File', filename ?? '—'],
    ['Type', content_type ?? '—'],
    ['Size', sizeOf(file_size)],
    ['Dimensions', width && height ? `${width} × ${height}` : null],
    ['Length', duration !== null ? clockOf(duration) : null],
    [
      'Uploaded',
      <time key="t" dateTime={upload_time}>
        {timeOf(upload_time)}
      </time>,
    ],
    ['Profile', profile],
    ['Name', <code key="n">{media_id}</code>],
    ['SHA-256', checksum ? <code key="c">{checksum.replace('sha256:', '')}</code> : null],
  ]
  return (
    <section className="box">
      <h2>Details</h2>
      <dl className="facts">
        {rows
          .filter(([, value]) => value !== null)
          .map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
      </dl>
      {media.warnings.length > 0 && (
        <ul className="warnings">
          {media.warnings.map((one) => (
            <li key={one}>{warnings[one] ?? <code>{one}</code>}</li>
          ))}
        </ul>
      )}
    </section>
  )
}
