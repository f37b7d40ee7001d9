import { useState } from 'react'
import type { Media, Rendition } from '../../../client/src/index.ts'
import { client, noteError } from '../api/session.ts'
import { IconButton } from '../ui/button.tsx'
import { Icon } from '../ui/icons.tsx'
import { say } from '../ui/toast.tsx'
import { explain, sizeOf, timeOf } from '../words.ts'
import { save } from './actions.tsx'
import { copy } from './copy.ts'

export const lifetimes = [
  { seconds: 3_600, name: '1 hour' },
  { seconds: 86_400, name: '1 day' },
  { seconds: 604_800, name: '7 days' },
] as const

export function Lifetime({ value, onChange }: { value: number; onChange: (seconds: number) => void }) {
  return (
    <label className="lifetime">
      <span>Links work for</span>
      <span className="select">
        <select value={value} onChange={(event) => onChange(Number(event.currentTarget.value))}>
          {lifetimes.map(({ seconds, name }) => (
            <option key={seconds} value={seconds}>
              {name}
            </option>
          ))}
        </select>
        <Icon name="chevron" size={16} />
      </span>
    </label>
  )
}

/** All that was made of it, each to be handed on by a signed link. */
export function Files({ media }: { media: Media }) {
  const [seconds, setSeconds] = useState<number>(86_400)
  const { renditions, media_id } = media
  if (renditions.length === 0)
    return (
      <p className="muted">
        {media.status === 'failed' ? 'Nothing could be made of it.' : 'Nothing is made of it yet.'}
      </p>
    )

  async function copyLink(rendition: string): Promise<void> {
    try {
      const { url, expires_at } = await client.downloadUrl(media_id, { rendition, expires_in: seconds })
      await copy(url, `Link copied. It works until ${timeOf(expires_at)}.`)
    } catch (error) {
      noteError(error)
      say(explain(error), { bad: true })
    }
  }

  return (
    <>
      <div className="tab-head">
        <p className="muted">
          {renditions.length} {renditions.length === 1 ? 'file' : 'files'},{' '}
          {sizeOf(renditions.reduce((sum, one) => sum + one.file_size, 0))}
        </p>
        <Lifetime value={seconds} onChange={setSeconds} />
      </div>
      <div className="table-box" tabIndex={0} role="region" aria-label="Files">
        <table>
          <thead>
            <tr>
              <th scope="col">File</th>
              <th scope="col" className="least">
                Type
              </th>
              <th scope="col" className="minor">
                Dimensions
              </th>
              <th scope="col" className="number minor">
                Bit rate
              </th>
              <th scope="col" className="number">
                Size
              </th>
              <th scope="col">
                <span className="visually-hidden">Links</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {renditions.map((one) => (
              <tr key={one.name}>
                <th scope="row">
                  <code>{one.name}</code>
                </th>
                <td className="least">{typeOf(one)}</td>
                <td className="minor">{one.width && one.height ? `${one.width} × ${one.height}` : '—'}</td>
                <td className="number minor">
                  {one.bitrate && /^(video|audio|application\/vnd)/.test(one.content_type) ? rateOf(one.bitrate) : '—'}
                </td>
                <td className="number">{sizeOf(one.file_size)}</td>
                <td className="row-actions">
                  <IconButton
                    icon="link"
                    label={`Copy a link to ${one.name}`}
                    onClick={() => void copyLink(one.name)}
                  />
                  <IconButton
                    icon="download"
                    label={`Download ${one.name}`}
                    onClick={() => void save(media_id, one.name)}
                  />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  )
}

/** `2.1 Mbit/s` */
function rateOf(bitrate: number): string {
  return bitrate < 1e6 ? `${Math.round(bitrate / 1e3)} kbit/s` : `${(bitrate / 1e6).toFixed(1)} Mbit/s`
}

const known: Record<string, string> = {
  'application/vnd.apple.mpegurl': 'HLS stream',
  'video/mp4': 'MP4 video',
  'audio/mp4': 'AAC sound',
  'audio/ogg': 'Opus sound',
  'text/vtt': 'WebVTT',
  'application/json': 'JSON',
  'image/webp': 'WebP',
}

function typeOf({ content_type }: Rendition): string {
  const bare = content_type.split(';')[0] ?? content_type
  return known[bare] ?? bare.replace('image/', '').toUpperCase()
}
