import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { anonymous, runFfmpeg } from '../tools/ffmpeg.ts'
import type { Output, VideoWorkbench } from './recipe.ts'
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
  workbench: VideoWorkbench,
  storyboard: Storyboard,
  { folder, moments, duration }: { folder: string; moments: readonly number[]; duration: number },
): Promise<Output[]> {
  const sheets = (await readdir(folder)).filter((file) => sheetForm.test(file)).sort()
  const perSheet = storyboard.columns * storyboard.rows
  const shown = moments.slice(0, sheets.length * perSheet).filter((moment) => moment < duration)
  const [first = '', ...others] = sheets
  expectOutput('a storyboard', first !== '' && shown.length > (sheets.length - 1) * perSheet)
  const path = join(folder, 'storyboard.vtt')
  await writeFile(path, `WEBVTT\n\n${cuesOf(storyboard, { sheets, shown, duration }).join('\n')}`)
  const picture = (file: string) => ({ key: `storyboard/${file}`, content_type: 'image/jpeg' })
  const fitted = await fitSheet(workbench, storyboard, {
    path: join(folder, first),
    count: others.length > 0 ? perSheet : shown.length,
  })
  const text = { path, extension: '.vtt', key: 'storyboard/storyboard.vtt', content_type: 'text/vtt' }
  return [
    { name: 'storyboard', extension: '.jpg', ...picture(first), ...fitted, duration: null },
    {
      ...{ name: 'storyboard.vtt', ...text, width: null, height: null, duration },
      beside: others.map((file) => ({ path: join(folder, file), ...picture(file) })),
    },
  ]
}

function cuesOf(
  { tile, columns, rows }: Storyboard,
  { sheets, shown, duration }: { sheets: readonly string[]; shown: readonly number[]; duration: number },
): string[] {
  const perSheet = columns * rows
  return shown.map((moment, at) => {
    const place = at % perSheet
    const [x, y] = [(place % columns) * tile.width, Math.floor(place / columns) * tile.height]
    const times = `${timeOf(at === 0 ? 0 : moment)} --> ${timeOf(shown[at + 1] ?? duration)}`
    return `${times}\n${sheets[Math.floor(at / perSheet)]}#xywh=${x},${y},${tile.width},${tile.height}\n`
  })
}

/** A film may be shorter than it says: what is left of its only sheet would be black. */
async function fitSheet(
  { runner, tools, newFolder, signal }: VideoWorkbench,
  { tile, columns, rows }: Storyboard,
  { path, count }: { path: string; count: number },
): Promise<{ path: string; width: number; height: number }> {
  const [across, down] = [Math.min(columns, count), Math.ceil(count / columns)]
  const size = { width: tile.width * across, height: tile.height * down }
  if (across === columns && down === rows) return { path, ...size }
  const folder = await newFolder('sheet')
  await runFfmpeg({
    ...{ runner, ffmpeg: tools.ffmpeg, folder, path, decoders: ['mjpeg'], threads: 1, signal },
    // No container of films, and nothing else.
    inputOptions: ['-format_whitelist', 'mjpeg', '-f', 'mjpeg'],
    outputs: [
      ...['-map', '0:v', '-vf', `crop=${size.width}:${size.height}:0:0`, ...anonymous, '-frames:v', '1'],
      ...['-c:v', 'mjpeg', '-q:v', '3', '-f', 'image2', '-update', '1', 'file:sheet.jpg'],
    ],
    limits: { memory: 512 * 1024 ** 2, seconds: 60, fileBytes: 16 * 1024 ** 2, fewAddresses: true, niceness: 19 },
  })
  return { path: join(folder, 'sheet.jpg'), ...size }
}

/** WebVTT's: `00:01:02.500`. */
export function timeOf(seconds: number): string {
  const milliseconds = Math.round(seconds * 1000)
  const part = (divisor: number, of: number) => String(Math.floor(milliseconds / divisor) % of).padStart(2, '0')
  const hours = String(Math.floor(milliseconds / 3_600_000)).padStart(2, '0')
  return `${hours}:${part(60_000, 60)}:${part(1_000, 60)}.${String(milliseconds % 1000).padStart(3, '0')}`
}
