import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

const recipes = {
  'clip.mp4':
    '-f lavfi -i testsrc2=size=320x180:rate=25:duration=1 -f lavfi -i sine=duration=1 -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac',
  'photo.jpg': '-f lavfi -i testsrc2=size=640x480 -frames:v 1',
  'song.mp3': '-f lavfi -i sine=frequency=440:duration=1 -c:a libmp3lame',
}
export type Sample = keyof typeof recipes

/** Makes a small real file with the machine's own ffmpeg. */
export async function makeSample(name: Sample): Promise<File> {
  const folder = await mkdtemp(join(tmpdir(), 'sample-'))
  try {
    const path = join(folder, name)
    await run('ffmpeg', ['-v', 'error', '-y', ...recipes[name].split(' '), path])
    return new File([await readFile(path)], name)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The form that the upload door takes. */
export function formOf(fields: Record<string, string | File>): FormData {
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.append(name, value)
  return form
}
