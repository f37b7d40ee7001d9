import { type DragEvent, type ReactNode, useEffect, useState } from 'react'
import { Icon } from '../ui/icons.tsx'
import { say } from '../ui/toast.tsx'
import { timeOf } from '../words.ts'
import { filesOf, type GivenFile } from './files.ts'
import { addFiles } from './uploads.ts'

/** The whole page takes what is dropped or pasted. */
export function DropZone({ children }: { children: ReactNode }) {
  // Each element under the pointer tells of its own coming and going.
  const [depth, setDepth] = useState(0)

  useEffect(() => {
    const paste = (event: ClipboardEvent) => {
      const data = event.clipboardData
      if (!data || data.files.length === 0) return
      event.preventDefault()
      take(filesOf(data).then(named))
    }
    addEventListener('paste', paste)
    return () => removeEventListener('paste', paste)
  }, [])

  const carries = ({ dataTransfer }: DragEvent) => dataTransfer.types.includes('Files')
  return (
    <div
      className="drop-zone"
      onDragEnter={(event) => carries(event) && setDepth((one) => one + 1)}
      onDragLeave={(event) => carries(event) && setDepth((one) => Math.max(0, one - 1))}
      onDragOver={(event) => carries(event) && event.preventDefault()}
      onDrop={(event) => {
        if (!carries(event)) return
        event.preventDefault()
        setDepth(0)
        take(filesOf(event.dataTransfer))
      }}
    >
      {children}
      {depth > 0 && (
        <div className="drop-veil" aria-hidden="true">
          <div>
            <Icon name="upload" size={40} />
            <strong>Drop to upload</strong>
            <span>Videos, pictures and sound. Whole folders too.</span>
          </div>
        </div>
      )}
    </div>
  )
}

/** Pictures that were copied, and not as files, are all called the same. */
function named(given: GivenFile[]): GivenFile[] {
  const now = timeOf(new Date().toISOString(), { seconds: true })
  return given.map((one) => {
    const { name, type, lastModified } = one.file
    if (name !== 'image.png') return one
    return { file: new File([one.file], `Pasted ${now}.png`, { type, lastModified }) }
  })
}

export function take(given: Promise<GivenFile[]>): void {
  given.then(
    (files) => (files.length > 0 ? addFiles(files) : say('There are no files in it.')),
    () => say('The browser could not read what was dropped. Try the upload button.', { bad: true }),
  )
}
