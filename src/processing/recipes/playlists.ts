/** HLS playlists of files that lie beside them. Pure. https://www.rfc-editor.org/rfc/rfc8216 */

export interface StreamTrack {
  /** `720p`, `audio`, `audio-2`, `subtitles-en`: its playlist is `{name}.m3u8`. */
  name: string
  /** The file that comes before the segments; null for text. */
  init: string | null
  segments: readonly TimedSegment[]
}

export interface TimedSegment {
  file: string
  /** Seconds. */
  seconds: number
  /** Bytes. */
  size: number
}

export interface Variant extends StreamTrack {
  codec: string
  width: number
  height: number
  /** Frames a second, at the most. */
  rate: number
}

export interface Sound extends StreamTrack {
  codec: string
  channels: number
  language: string | null
  isDefault: boolean
}

export interface Subtitle extends StreamTrack {
  language: string | null
  isDefault: boolean
  forced: boolean
}

export function mediaPlaylist({ init, segments }: StreamTrack): string {
  return [
    ...['#EXTM3U', '#EXT-X-VERSION:7', `#EXT-X-TARGETDURATION:${targetOf(segments)}`, '#EXT-X-MEDIA-SEQUENCE:1'],
    ...['#EXT-X-PLAYLIST-TYPE:VOD', '#EXT-X-INDEPENDENT-SEGMENTS'],
    ...(init === null ? [] : [`#EXT-X-MAP:URI="${init}"`]),
    ...segments.flatMap(({ file, seconds }) => [`#EXTINF:${seconds.toFixed(6)},`, file]),
    '#EXT-X-ENDLIST',
    '',
  ].join('\n')
}

/** "The EXTINF duration of each Media Segment […], when rounded to the nearest integer, MUST be less than or equal to the target duration". */
function targetOf(segments: readonly TimedSegment[]): number {
  return segments.reduce((most, { seconds }) => Math.max(most, Math.round(seconds)), 1)
}

/** The first variant is the one that players begin with. */
export function masterPlaylist(given: {
  variants: readonly Variant[]
  sounds: readonly Sound[]
  subtitles: readonly Subtitle[]
}): string {
  const { variants, sounds, subtitles } = given
  const lines = ['#EXTM3U', '#EXT-X-VERSION:7', '#EXT-X-INDEPENDENT-SEGMENTS']
  const soundNames = namesOf(sounds, 'Sound')
  for (const [at, { name, channels, ...track }] of sounds.entries()) {
    const about = [`CHANNELS="${channels}"`, `URI="${name}.m3u8"`]
    lines.push(groupLine('AUDIO', 'audio', { ...track, name: soundNames[at] ?? name, about }))
  }
  lines.push(...subtitleLines(subtitles, []))
  for (const variant of variants) lines.push(...variantLines(variant, { sounds, hasSubtitles: subtitles.length > 0 }))
  return `${lines.join('\n')}\n`
}

/** One of our master playlists with more subtitles than it was written with. */
export function withSubtitles(master: string, subtitles: readonly Subtitle[]): string {
  const lines = master.split('\n')
  const taken = lines.flatMap((line) => /TYPE=SUBTITLES,.*NAME="([^"]*)"/.exec(line)?.[1] ?? [])
  const first = lines.findIndex((line) => line.startsWith(variantTag))
  const grouped = lines.map((line) =>
    line.startsWith(variantTag) && !line.includes(',SUBTITLES=')
      ? line.replace(',CLOSED-CAPTIONS=', `,${subtitlesAttribute},CLOSED-CAPTIONS=`)
      : line,
  )
  return grouped.toSpliced(first, 0, ...subtitleLines(subtitles, taken)).join('\n')
}

const variantTag = '#EXT-X-STREAM-INF:'
const subtitlesAttribute = 'SUBTITLES="subtitles"'

function subtitleLines(subtitles: readonly Subtitle[], taken: readonly string[]): string[] {
  const names = namesOf(subtitles, 'Subtitles', taken)
  return subtitles.map(({ name, forced, ...track }, at) => {
    const about = [...(forced ? ['FORCED=YES'] : []), `URI="${name}.m3u8"`]
    return groupLine('SUBTITLES', 'subtitles', { ...track, name: names[at] ?? name, about })
  })
}

function groupLine(
  type: string,
  group: string,
  track: { name: string; language: string | null; isDefault: boolean; about: string[] },
): string {
  const { name, language, isDefault, about } = track
  const attributes = [
    ...[`TYPE=${type}`, `GROUP-ID="${group}"`, `NAME="${name}"`],
    ...(language === null ? [] : [`LANGUAGE="${language}"`]),
    ...[`DEFAULT=${isDefault ? 'YES' : 'NO'}`, 'AUTOSELECT=YES', ...about],
  ]
  return `#EXT-X-MEDIA:${attributes.join(',')}`
}

function variantLines(
  variant: Variant,
  { sounds, hasSubtitles }: { sounds: readonly Sound[]; hasSubtitles: boolean },
): string[] {
  const { name, segments, codec, width, height, rate } = variant
  const most = (rateOf: (track: StreamTrack) => number) => Math.max(0, ...sounds.map(rateOf))
  const codecs = [...new Set([codec, ...sounds.map((sound) => sound.codec)])]
  const attributes = [
    `BANDWIDTH=${peakBitrate(segments) + most((sound) => peakBitrate(sound.segments))}`,
    `AVERAGE-BANDWIDTH=${averageBitrate(segments) + most((sound) => averageBitrate(sound.segments))}`,
    ...[`CODECS="${codecs.join(',')}"`, `RESOLUTION=${width}x${height}`, `FRAME-RATE=${rate.toFixed(3)}`],
    ...(sounds.length > 0 ? ['AUDIO="audio"'] : []),
    ...(hasSubtitles ? [subtitlesAttribute] : []),
    'CLOSED-CAPTIONS=NONE',
  ]
  return [`${variantTag}${attributes.join(',')}`, `${name}.m3u8`]
}

export function secondsOf(segments: readonly TimedSegment[]): number {
  return segments.reduce((sum, { seconds }) => sum + seconds, 0)
}

export function averageBitrate(segments: readonly TimedSegment[]): number {
  const bytes = segments.reduce((sum, { size }) => sum + size, 0)
  return Math.ceil((bytes * 8) / Math.max(0.001, secondsOf(segments)))
}

/**
 * "the largest bit rate of any contiguous set of segments whose total duration is between 0.5 and 1.5 times the target
 * duration"; of a stream shorter than that, of all of it.
 */
export function peakBitrate(segments: readonly TimedSegment[]): number {
  const target = targetOf(segments)
  let peak = 0
  for (let first = 0; first < segments.length; first++) {
    let [seconds, bytes] = [0, 0]
    for (let last = first; last < segments.length && seconds < 1.5 * target; last++) {
      seconds += segments[last]?.seconds ?? 0
      bytes += segments[last]?.size ?? 0
      if (seconds >= 0.5 * target && seconds <= 1.5 * target) peak = Math.max(peak, (bytes * 8) / seconds)
    }
  }
  return Math.max(Math.ceil(peak), averageBitrate(segments))
}

/** What a person reads in the player's menu: never what the sender wrote. Names differ within a group. */
function namesOf(
  tracks: readonly { language: string | null }[],
  what: string,
  already: readonly string[] = [],
): string[] {
  const taken = new Set(already)
  return tracks.map(({ language }, at) => {
    const place = already.length + at + 1
    const alone = already.length + tracks.length === 1
    const name = (language === null ? null : nameOfLanguage(language)) ?? (alone ? what : `${what} ${place}`)
    const own = taken.has(name) ? `${name} ${place}` : name
    taken.add(own)
    return own
  })
}

function nameOfLanguage(language: string): string | null {
  const name = new Intl.DisplayNames(['en'], { type: 'language' }).of(language)
  return name && name !== language ? name.replaceAll('"', '') : null
}
