import type { InitUpload, Media } from './contract.ts'
import { giveUp, uploadDirect } from './direct.ts'
import { UploadAborted } from './errors.ts'
import { uploadForm } from './form.ts'
import { newKey } from './keys.ts'
import { openPatience } from './patience.ts'
import { openMeter, type Progress } from './progress.ts'
import type { Requests } from './requests.ts'
import { defaultResumeStore, openMemory, type ResumeStore } from './resume.ts'
import { checkFile, fingerprintOf, type UploadFile } from './source.ts'

export interface UploadOptions {
  title: string
  /** For showing; the file's own name when not given. */
  filename?: string | undefined
  /** How it is to be made: one of the profiles that the operator offers. The default one when not given. */
  profile?: string | undefined
  /** `sha256:…` of the file, when it is known: media whose bytes have another fail. */
  checksum?: string | undefined
  onProgress?: ((progress: Progress) => void) | undefined
  /**
   * Ends the upload at once with `UploadAborted`; while the service is asked to begin, once it has answered, within 10 s.
   * What is stored stays, to go on with it later.
   */
  signal?: AbortSignal | undefined
  /** What `signal` ends is removed instead. */
  removeOnAbort?: boolean | undefined
  /** Names this upload: the same key with the same file gives the same media. Made up when not given. */
  idempotencyKey?: string | undefined
  /** Remembers what is under way; `localStorage` in pages when not given; false for none. */
  resume?: ResumeStore | false | undefined
  /** Parts under way at once; 4 when not given. */
  concurrency?: number | undefined
  /** Milliseconds to go on trying though nothing moves; five minutes when not given. */
  retryFor?: number | undefined
  /**
   * Bytes of a file, at most, that goes by the form in one request; larger ones go in parts. 5 MiB when not given,
   * the size of the smallest part: so no cut costs more than a part. 100 MiB at most.
   */
  formLimit?: number | undefined
}

const largestForm = 100 * 1024 * 1024
const defaults = { concurrency: 4, retryFor: 300_000, formLimit: 5 * 1024 * 1024 }
const unknownType = 'application/octet-stream'

/** Uploads a file through whichever door fits it. */
export async function upload(requests: Requests, source: UploadFile, options: UploadOptions): Promise<Media> {
  const { signal = new AbortController().signal, removeOnAbort = false, onProgress } = options
  const { retryFor = defaults.retryFor, formLimit = defaults.formLimit, idempotencyKey = newKey() } = options
  checkFile(source)
  const wish = wishOf(source, options)
  const patience = openPatience({ retryFor, signal })
  const meter = openMeter(source.size, onProgress)
  const common = { source, wish, idempotency_key: idempotencyKey, requests, patience, meter, signal }
  let memory = openMemory(undefined, '')
  let begun: string | null = null
  try {
    // Only uploads in parts are checked against a checksum.
    if (source.size <= Math.min(formLimit, largestForm) && !wish.checksum) {
      const media = await uploadForm(common)
      if (media) return media
    }
    memory = await memoryOf(requests, source, wish, options)
    signal.throwIfAborted()
    const concurrency = Math.max(1, options.concurrency ?? defaults.concurrency)
    return await uploadDirect({ ...common, memory, concurrency, onBegun: (media_id) => (begun = media_id) })
  } catch (error) {
    if (!signal.aborted) throw error
    if (removeOnAbort) await giveUp({ requests, memory }, begun)
    throw new UploadAborted(removeOnAbort ? null : begun, signal.reason)
  }
}

function wishOf(source: UploadFile, { title, filename, profile, checksum }: UploadOptions): InitUpload {
  const { name, type, size } = source as { name?: string; type?: string; size: number }
  return {
    title,
    filename: filename || name || 'file',
    content_type: type || unknownType,
    file_size: size,
    ...(profile ? { profile } : {}),
    ...(checksum ? { checksum } : {}),
  }
}

async function memoryOf(requests: Requests, source: UploadFile, wish: InitUpload, { resume }: UploadOptions) {
  const store = resume === false ? undefined : (resume ?? defaultResumeStore())
  return openMemory(
    store,
    store ? `${requests.base}|${await fingerprintOf(source, wish.filename)}${wish.profile ?? ''}` : '',
  )
}
