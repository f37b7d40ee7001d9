import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Output } from './recipe.ts'
import { expectOutput } from './verify.ts'
import { sheetForm } from './video-command.ts'
import { tileTeller } from './video-filters.ts'
import type { Storyboard } from './video-plan.ts'

/** Listens to ffmpeg for the moments of which there are pictures. */
export function collectMoments(): { add: (line: string) => void; moments: number[] } {
  const moments: number[] = []
  const form = new RegExp(`^\\[${tileTeller} .* pts_time:(\\d+(?:\\.\\d+)?)`)
  return {
    moments,
    add: (line) => {
      const time = form.exec(line)?.[1]
      if (time !== undefined) moments.push(Number(time))
    },
  }
}

/**
 * WebVTT whose cues are pieces of sheets of pictures: what players show where the pointer is on the bar of time.
 * Each picture stands from its own moment to the next one's; the first from the beginning, the last to the end.
 */
export async function makeStoryboard(
  { tile, columns, rows }: Storyboard,
  { folder, moments, duration }: { folder: string; moments: readonly number[]; duration: number },
): Promise<Output[]> {
  const sheets = (await readdir(folder)).filter((file) => sheetForm.test(file)).sort()
  const perSheet = columns * rows
  const shown = moments.slice(0, sheets.length * perSheet).filter((moment) => moment < duration)
  const [first] = sheets
  expectOutput('a storyboard', first !== undefined && shown.length > (sheets.length - 1) * perSheet)
  const cues = shown.map((moment, at) => {
    const place = at % perSheet
    const [x, y] = [(place % columns) * tile.width, Math.floor(place / columns) * tile.height]
    const times = `${timeOf(at === 0 ? 0 : moment)} --> ${timeOf(shown[at + 1] ?? duration)}`
    return `${times}\n${sheets[Math.floor(at / perSheet)]}#xywh=${x},${y},${tile.width},${tile.height}\n`
  })
  const path = join(folder, 'storyboard.vtt')
  await writeFile(path, `WEBVTT\n\n${cues.join('\n')}`)
  const [sheet, ...others] = sheets.map((file) => ({
    path: join(folder, file),
    key: `storyboard/${file}`,
    content_type: 'image/jpeg',
  }))
  const size = { width: tile.width * columns, height: tile.height * rows }
  const text = { width: null, height: null, duration }
  return [
    ...(sheet ? [{ name: 'storyboard', extension: '.jpg', ...sheet, ...size, duration: null }] : []),
    {
      ...{
        name: 'storyboard.vtt',
        path,
        extension: '.vtt',
        key: 'storyboard/storyboard.vtt',
        content_type: 'text/vtt',
      },
      ...text,
      beside: others,
    },
  ]
}

/** WebVTT's: `00:01:02.500`. */
export function timeOf(seconds: number): string {
  const milliseconds = Math.round(seconds * 1000)
  const part = (divisor: number, of: number) => String(Math.floor(milliseconds / divisor) % of).padStart(2, '0')
  const hours = String(Math.floor(milliseconds / 3_600_000)).padStart(2, '0')
  return `${hours}:${part(60_000, 60)}:${part(1_000, 60)}.${String(milliseconds % 1000).padStart(3, '0')}`
}
