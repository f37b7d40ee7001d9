import type { ReactNode } from 'react'
import type { Media } from '../../../client/src/index.ts'
import { Icon, type IconName } from './icons.tsx'

const words: Record<Media['status'], string> = {
  uploading: 'Uploading',
  uploaded: 'Waiting',
  processing: 'Processing',
  processed: 'Ready',
  failed: 'Failed',
  deleted: 'Deleted',
}

/** How it stands with a media: a word, and not its colour alone. */
export function Status({ media }: { media: Pick<Media, 'status' | 'progress' | 'playable'> }) {
  const { status, progress, playable } = media
  return (
    <span className={`status ${status}`}>
      <span className="dot" aria-hidden="true" />
      {words[status]}
      {status === 'processing' && ` ${Math.floor(progress)} %`}
      {status === 'processing' && playable && ' · playable'}
    </span>
  )
}

export function Progress({ value, label, look = '' }: { value: number | null; label: string; look?: string }) {
  const known = value === null ? {} : { 'aria-valuenow': Math.round(value * 100) }
  return (
    <div
      className={`progress ${look} ${value === null ? 'unknown' : ''}`}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      {...known}
    >
      <div style={{ transform: `scaleX(${value ?? 1})` }} />
    </div>
  )
}

interface EmptyProps {
  icon: IconName
  title: string
  /** Whether there is nothing else on the page. */
  whole?: boolean
  children?: ReactNode
}

/** What stands where there is nothing: why, and what to do. */
export function Empty({ icon, title, whole = false, children }: EmptyProps) {
  // The first heading of a page that has nothing else.
  const Heading = whole ? 'h1' : 'h2'
  return (
    <div className="empty">
      <div className="empty-icon">
        <Icon name={icon} size={28} />
      </div>
      <Heading>{title}</Heading>
      <div className="empty-text">{children}</div>
    </div>
  )
}

export function Spinner({ label }: { label: string }) {
  return (
    <div className="spinner" role="status">
      <span className="visually-hidden">{label}</span>
    </div>
  )
}
