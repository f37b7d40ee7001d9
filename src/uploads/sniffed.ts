import type { MediaType } from '../media/record.ts'

/** What a file is, read from its first bytes; never from its name or from what the sender says. */
export interface Sniffed {
  media_type: MediaType
  content_type: string
  /** Without a dot. */
  extension: string
}

export const image = (content_type: string, extension: string): Sniffed => of('image', content_type, extension)
export const video = (content_type: string, extension: string): Sniffed => of('video', content_type, extension)
export const audio = (content_type: string, extension: string): Sniffed => of('audio', content_type, extension)

function of(media_type: MediaType, content_type: string, extension: string): Sniffed {
  return { media_type, content_type, extension }
}
