import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SubtitleFile } from './hls.ts'
import type { Output } from './recipe.ts'

/** A track of text as a file of its own, and as a part of the stream. */
export interface TextTrack {
  output: Output
  stream: SubtitleFile
}

export interface Text {
  /** Of the output: `subtitles-en`. */
  name: string
  /** As `readCues` gives them. */
  cues: readonly string[]
  /** Seconds. */
  duration: number | null
  /** BCP 47: `en`, `pt-BR`. */
  language: string | null
  isDefault?: boolean
  forced?: boolean
}

/** Writes a track of text as WebVTT: of text a single segment is long enough. */
export async function writeTextTrack(folder: string, text: Text): Promise<TextTrack> {
  const { name, cues, duration, language, isDefault = false, forced = false } = text
  const file = `${name}-00001.vtt`
  const path = join(folder, file)
  const bytes = Buffer.from(`WEBVTT\n\n${cues.join('\n\n')}\n`)
  await writeFile(path, bytes)
  const segments = [{ file, seconds: duration ?? 0, size: bytes.length }]
  return {
    output: { name, path, extension: '.vtt', content_type: 'text/vtt', width: null, height: null, duration },
    stream: { name, init: null, segments, language, isDefault, forced, folder },
  }
}

const time = String.raw`(?:\d{2,}:)?[0-5]\d:[0-5]\d\.\d{3}`
const timing = new RegExp(`^(${time})[ \\t]+-->[ \\t]+(${time})((?:[ \\t]+[a-z]+:[\\w.,%-]+)*)[ \\t]*$`)

/**
 * The cues of a WebVTT file, each with its times; styles, regions, notes and names are left behind. Null when it is none.
 * https://www.w3.org/TR/webvtt1/
 */
export function readCues(text: string): string[] | null {
  const plain = text.replace(/^\ufeff/, '').replace(/\r\n?/g, '\n')
  if (!/^WEBVTT(?:[ \t\n]|$)/.test(plain) || plain.includes('\0') || plain.includes('\ufffd')) return null
  const cues: string[] = []
  for (const block of plain.split(/\n{2,}/).slice(1)) {
    const lines = block.split('\n').filter((line) => line !== '')
    const at = lines.findIndex((line) => line.includes('-->'))
    if (at < 0) continue
    const match = timing.exec(lines[at] ?? '')
    const words = lines.slice(at + 1)
    if (at > 1 || !match || words.some((line) => line.includes('-->'))) return null
    if (secondsOf(match[1]) >= secondsOf(match[2])) return null
    if (words.length > 0) cues.push([match[0].trim(), ...words].join('\n'))
  }
  return cues
}

/** Seconds from the beginning. */
export function startOf(cue: string): number {
  return secondsOf(cue.split(/[ \t]/)[0])
}

function secondsOf(said = ''): number {
  return said.split(':').reduce((sum, part) => sum * 60 + Number(part), 0)
}
