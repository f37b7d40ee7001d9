import { useEffect, useRef, useState } from 'react'
import { Icon, type IconName } from '../ui/icons.tsx'
import { listOf } from './files.ts'
import { addFiles } from './uploads.ts'

/** The ways to choose files: one button for most, a menu for folders and the camera. */
export function UploadMenu({ prominent = false }: { prominent?: boolean }) {
  const [open, setOpen] = useState(false)
  const around = useRef<HTMLDivElement>(null)
  const files = useRef<HTMLInputElement>(null)
  const folder = useRef<HTMLInputElement>(null)
  const camera = useRef<HTMLInputElement>(null)

  useEffect(() => {
    if (!open) return
    const close = (event: Event) => {
      const away = event.type === 'pointerdown' && !around.current?.contains(event.target as Node)
      if (away || (event as KeyboardEvent).key === 'Escape') setOpen(false)
    }
    addEventListener('pointerdown', close)
    addEventListener('keydown', close)
    return () => {
      removeEventListener('pointerdown', close)
      removeEventListener('keydown', close)
    }
  }, [open])

  const choice = (icon: IconName, label: string, input: HTMLInputElement | null) => (
    <button
      type="button"
      role="menuitem"
      onClick={() => {
        setOpen(false)
        input?.click()
      }}
    >
      <Icon name={icon} size={18} />
      {label}
    </button>
  )
  const input = {
    type: 'file',
    hidden: true,
    tabIndex: -1,
    onChange: (event: React.ChangeEvent<HTMLInputElement>) => {
      addFiles(listOf(event.currentTarget.files ?? []))
      // The same file may be chosen again.
      event.currentTarget.value = ''
    },
  }
  return (
    <div className={`split ${prominent ? 'prominent' : ''}`} ref={around}>
      <button type="button" className="button primary" onClick={() => files.current?.click()}>
        <Icon name="upload" size={18} />
        <span>Upload</span>
      </button>
      <button
        type="button"
        className="button primary split-more"
        aria-label="More ways to upload"
        aria-haspopup="menu"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        <Icon name="chevron" size={16} />
      </button>
      {prominent && (
        <button type="button" className="button camera" onClick={() => camera.current?.click()}>
          <Icon name="camera" size={18} />
          <span>Camera</span>
        </button>
      )}
      {open && (
        <div className="menu" role="menu" aria-label="Upload">
          {choice('file', 'Files…', files.current)}
          {choice('folder', 'A folder…', folder.current)}
          {choice('camera', 'From the camera', camera.current)}
        </div>
      )}
      <input
        ref={files}
        multiple
        data-testid={prominent ? undefined : 'files'}
        aria-label="Files to upload"
        {...input}
      />
      <input ref={folder} {...{ webkitdirectory: '' }} aria-label="Folder to upload" {...input} />
      <input ref={camera} accept="image/*,video/*" capture="environment" aria-label="Picture to upload" {...input} />
    </div>
  )
}
