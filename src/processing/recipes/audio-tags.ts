import { probedDecoders } from '../tools/codecs.ts'
import { inputLists } from '../tools/probe.ts'
import type { VideoWorkbench } from './recipe.ts'

/** What a sound says of itself that is not private; all else is dropped. */
export interface Tags {
  title?: string
  artist?: string
  album?: string
}

const names = ['title', 'artist', 'album'] as const
const spellings = names.flatMap((name) => [name, name.toUpperCase(), `${name.charAt(0).toUpperCase()}${name.slice(1)}`])
const limits = { memory: 512 * 1024 ** 2, seconds: 60, fileBytes: 0, fewAddresses: true, niceness: 10 }

/** Reads them, none where they cannot be read: no sound fails for what it is called. */
export async function readTags(
  { raw, runner, tools, newFolder, signal }: VideoWorkbench,
  stream: number,
): Promise<Tags> {
  const folder = await newFolder('tags')
  const shown = [
    '-show_entries',
    `format_tags=${spellings}:stream=index:stream_tags=${spellings}`,
    '-of',
    'json=compact=1',
  ]
  const lists = inputLists(probedDecoders)
  const args = ['-hide_banner', '-loglevel', 'error', ...lists, ...shown, '-i', `file:${raw.path}`]
  try {
    const { exitCode, stdout } = await runner.run({
      program: tools.ffprobe,
      args,
      folder,
      reads: [raw.path],
      limits,
      signal,
    })
    return exitCode === 0 ? tagsFrom(JSON.parse(stdout.toString('utf8')), stream) : {}
  } catch (error) {
    if (signal.aborted) throw error
    return {}
  }
}

interface Probed {
  format?: { tags?: Record<string, unknown> }
  streams?: { index?: unknown; tags?: Record<string, unknown> }[]
}

/** The file's, else the stream's, as Ogg has them. Exported for its test. */
export function tagsFrom({ format, streams = [] }: Probed, stream: number): Tags {
  const places = [format?.tags, streams.find(({ index }) => index === stream)?.tags]
  const tags: Tags = {}
  for (const name of names) {
    const said = places.flatMap((place) => Object.entries(place ?? {})).find(([key]) => key.toLowerCase() === name)?.[1]
    const clean = typeof said === 'string' ? cleanTag(said) : ''
    if (clean !== '') tags[name] = clean
  }
  return tags
}

/** Characters of a tag, at most. */
const longest = 250
/** Control characters, halves of characters, what was no text, and what turns the direction of what follows. */
const unwanted = /[\p{Cc}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\ufeff\ufffd\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu

/** One line of text, whatever was sent. Exported for its test. */
export function cleanTag(said: string): string {
  const line = said
    .slice(0, longest * 8)
    .normalize('NFC')
    .replace(unwanted, ' ')
    .replace(/\s+/g, ' ')
    .trim()
  return [...line].slice(0, longest).join('').trim()
}

/** Options of an output that name it. */
export function tagOptions(tags: Tags): string[] {
  return Object.entries(tags).flatMap(([name, value]) => ['-metadata', `${name}=${value}`])
}
