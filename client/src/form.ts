import type { InitUpload, Media } from './contract.ts'
import { MediaServiceError } from './errors.ts'
import { newKey } from './keys.ts'
import type { Patience } from './patience.ts'
import type { Meter } from './progress.ts'
import type { Requests } from './requests.ts'
import { bytesOf, checkReadable, readSlice, type UploadFile } from './source.ts'

export interface FormUpload {
  source: UploadFile
  wish: InitUpload
  idempotency_key: string
  requests: Requests
  patience: Patience
  meter: Meter
  signal: AbortSignal
}

/** A small file in one request; null when the service takes less by form than was thought. */
export async function uploadForm({ source, wish, idempotency_key, ...given }: FormUpload): Promise<Media | null> {
  const { requests, patience, meter, signal } = given
  const { size } = source
  const file = source instanceof Blob ? source : await blobOf(source, wish)
  const body = encodeForm({ ...wish, file, boundary: `media-${newKey()}` })
  const attempt = async () => {
    const headers = { 'idempotency-key': idempotency_key, 'content-type': body.type }
    const onSent = (bytes: number) => meter.sent(1, Math.min(bytes, size))
    try {
      return await requests.send<Media>('/api/media/upload', {
        method: 'POST',
        headers,
        body,
        size: body.size,
        signal,
        onSent,
      })
    } catch (error) {
      meter.dropped(1)
      await checkReadable(source, 0)
      throw error
    }
  }
  try {
    const media = await patience.insist(attempt)
    meter.stored(1, size)
    return media
  } catch (error) {
    if (error instanceof MediaServiceError && error.status === 413) return null
    throw error
  }
}

async function blobOf(source: Exclude<UploadFile, Blob>, { content_type }: InitUpload): Promise<Blob> {
  const bytes = await bytesOf(await readSlice(source, 0, source.size))
  return new Blob([bytes as Uint8Array<ArrayBuffer>], { type: content_type })
}

interface Form extends Pick<InitUpload, 'title' | 'filename' | 'profile'> {
  file: Blob
  boundary: string
}

/**
 * As https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data says.
 * Not `FormData`: nobody sees how far it is, and Node (24.21) crashes when such a request is aborted at the wrong time.
 */
function encodeForm({ title, profile, file, filename, boundary }: Form): Blob {
  const part = `--${boundary}\r\nContent-Disposition: form-data; name=`
  const name = filename.replace(/["\r\n]/g, encodeURIComponent)
  // The file last, so that a profile which is not offered is refused before the bytes are taken.
  const head =
    `${part}"title"\r\n\r\n${title}\r\n${part}"profile"\r\n\r\n${profile ?? ''}\r\n` +
    `${part}"file"; filename="${name}"\r\nContent-Type: ${file.type || 'application/octet-stream'}\r\n\r\n`
  return new Blob([head, file, `\r\n--${boundary}--\r\n`], { type: `multipart/form-data; boundary=${boundary}` })
}
