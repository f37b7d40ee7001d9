import { MediaError } from '../media/errors.ts'

/**
 * Playlists and storyboards as they are stored name the files beside them; as they are delivered, every address plays
 * by itself, without a cookie or a header. Pure. https://www.rfc-editor.org/rfc/rfc8216
 */

/** Where what lies beside a stored text is to be had, without slashes at the end. */
export interface Rewriting {
  /** The folder on the CDN: `https://cdn.example.com/{media_id}/v1/hls`. */
  folder: string
  /** The folder where the API serves playlists: `https://media.example.com/api/media/{media_id}/hls`. */
  playlists: string
  /** The signing parameters that hold for all of them. */
  signature: string
}

export type RewriteLine = (line: string, rewriting: Rewriting) => string

/** A name, or a path of names, below the text's own folder; then a query, then a fragment. */
const besideForm = /^((?:[A-Za-z0-9_-][A-Za-z0-9._-]*\/)*[A-Za-z0-9_-][A-Za-z0-9._-]*)(\?[^#\s\"]*)?(#[^\s\"]*)?$/

/** An address elsewhere (`https:`, `data:`) stays as it is: our signature means nothing there, and is not theirs to see. */
export function addressOf(uri: string, { folder, playlists, signature }: Rewriting): string {
  const found = besideForm.exec(uri)
  if (!found) return uri
  const [, path = '', query, fragment = ''] = found
  const at = path.endsWith('.m3u8') ? playlists : folder
  return `${at}/${path}${query === undefined ? '?' : `${query}&`}${signature}${fragment}`
}

/** A line of a master or media playlist: "Each line is a URI, is blank, or starts with the character '#'." */
export const rewritePlaylistLine: RewriteLine = (line, rewriting) => {
  if (line === '') return line
  if (!line.startsWith('#')) return addressOf(line, rewriting)
  // What EXTINF has after its comma is a title, and a comment may say anything: neither is a list of attributes.
  if (!line.startsWith('#EXT') || line.startsWith('#EXTINF') || !line.includes('URI="')) return line
  const colon = line.indexOf(':') + 1
  return (
    line.slice(0, colon) +
    line.slice(colon).replace(attributeForm, (attribute, name: string, value: string) => {
      if (!addressNames.has(name) || !value.startsWith('"')) return attribute
      return `${name}="${addressOf(value.slice(1, -1), rewriting)}"`
    })
  )
}

/** Taken one after another, so that a quoted text that looks like an attribute stays part of its own. */
const attributeForm = /([A-Z0-9-]+)=("[^"]*"|[^",]*)/g
/** `URI` of all tags, and those of content steering and interstitials. */
const addressNames = new Set(['URI', 'SERVER-URI', 'X-ASSET-URI'])

/** A line of a storyboard: WebVTT whose cues are pictures, `sheet-001.jpg#xywh=0,0,160,90`. */
export const rewriteStoryboardLine: RewriteLine = (line, rewriting) =>
  /^[^\s?#]+\.(jpg|jpeg|png|webp|avif)(#|$)/.test(line) ? addressOf(line, rewriting) : line

/** Characters; ours have some hundred. */
const longestLine = 64 * 1024
/** Bytes read, and characters handed on, at a time: a film's playlist grows tenfold, and is never whole in memory. */
const sliceLength = 16 * 1024
const pieceLength = 64 * 1024

/** The text with each line rewritten, piece by piece. @throws MediaError `internal` for a line without end */
export async function* rewriteText(
  body: AsyncIterable<Uint8Array>,
  rewriteLine: RewriteLine,
  rewriting: Rewriting,
): AsyncGenerator<string, void> {
  const rewrite = (line: string) =>
    line.endsWith('\r') ? `${rewriteLine(line.slice(0, -1), rewriting)}\r` : rewriteLine(line, rewriting)
  const decoder = new TextDecoder()
  let rest = ''
  let piece = ''
  for await (const chunk of slicesOf(body)) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > longestLine) throw new MediaError('internal', 'a playlist with a line that is none')
    for (const line of lines) {
      piece += `${rewrite(line)}\n`
      if (piece.length < pieceLength) continue
      yield piece
      piece = ''
    }
  }
  yield piece + rewrite(rest + decoder.decode())
}

async function* slicesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  for await (const chunk of body) {
    for (let at = 0; at < chunk.length; at += sliceLength) yield chunk.subarray(at, at + sliceLength)
  }
}
