import { useEffect, useRef, useState } from 'react'
import { Icon, type IconName } from '../ui/icons.tsx'
import type { Filters } from './library.ts'

const kinds: { value: Filters['media_type']; label: string; icon?: IconName }[] = [
  { value: '', label: 'All' },
  { value: 'video', label: 'Videos', icon: 'video' },
  { value: 'image', label: 'Pictures', icon: 'image' },
  { value: 'audio', label: 'Sound', icon: 'audio' },
]
const typing = 250

export function FilterBar({ filters, onChange }: { filters: Filters; onChange: (change: Partial<Filters>) => void }) {
  const [text, setText] = useState(filters.q)
  const search = useRef<HTMLInputElement>(null)
  const asked = useRef(filters.q)
  // What is typed is searched for when the typing rests; the address may also change by itself.
  useEffect(() => {
    if (filters.q === asked.current) return
    asked.current = filters.q
    setText(filters.q)
  }, [filters.q])
  useEffect(() => {
    if (text === asked.current) return
    const timer = setTimeout(() => {
      asked.current = text
      onChange({ q: text })
    }, typing)
    return () => clearTimeout(timer)
  }, [text])
  useEffect(() => {
    const slash = (event: KeyboardEvent) => {
      if (event.key !== '/' || (event.target as HTMLElement).closest('input, textarea, select, dialog')) return
      event.preventDefault()
      search.current?.focus()
    }
    addEventListener('keydown', slash)
    return () => removeEventListener('keydown', slash)
  }, [])

  return (
    <div className="filters">
      <search className="search">
        <Icon name="search" size={18} />
        <input
          ref={search}
          type="search"
          value={text}
          placeholder="Search titles"
          aria-label="Search titles"
          aria-keyshortcuts="/"
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <kbd aria-hidden="true">/</kbd>
      </search>
      <fieldset className="chips">
        <legend className="visually-hidden">Kind</legend>
        {kinds.map(({ value, label, icon }) => (
          <label key={value} className="chip">
            <input
              type="radio"
              name="kind"
              checked={filters.media_type === value}
              onChange={() => onChange({ media_type: value })}
            />
            {icon && <Icon name={icon} size={16} />}
            <span>{label}</span>
          </label>
        ))}
      </fieldset>
      <label className="select">
        <span className="visually-hidden">Status</span>
        <select
          value={filters.status}
          onChange={(event) => onChange({ status: event.currentTarget.value as Filters['status'] })}
        >
          <option value="">Any status</option>
          <option value="processed">Ready</option>
          <option value="processing">Processing</option>
          <option value="failed">Failed</option>
          <option value="uploading">Uploading</option>
        </select>
        <Icon name="chevron" size={16} />
      </label>
    </div>
  )
}
