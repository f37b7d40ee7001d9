import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { openAsBlob } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { formOf } from '../samples.ts'
import { startTarget } from '../target.ts'
import { until } from './kit.ts'

const run = promisify(execFile)
export const seconds = 12
/** Of the pictures of its stream. */
export const heights = [360, 540, 720]
const film = `-f lavfi -i testsrc2=size=1280x720:rate=25:duration=${seconds} -f lavfi -i sine=duration=${seconds} -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac`

/** Uploads a film to a service on a data folder, and stops it when all is made of it: its stream and its storyboard. */
export async function addFilm(folder: string, dataDir: string): Promise<string> {
  const path = join(folder, 'film.mov')
  await run('ffmpeg', ['-v', 'error', '-y', ...film.split(' '), path])
  const target = await startTarget({ dataDir, embedded: true })
  try {
    const body = formOf({ title: 'Film', file: new File([await openAsBlob(path)], 'film.mov') })
    const answer = await fetch(`${target.url}/api/media/upload`, { method: 'POST', body })
    const { media_id } = (await answer.json()) as { media_id: string }
    await until(async () => {
      const { status, error } = await (await fetch(`${target.url}/api/media/${media_id}`)).json()
      assert.notEqual(status, 'failed', JSON.stringify(error))
      return status === 'processed'
    })
    return media_id
  } finally {
    await target.stop()
  }
}
