import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { formOf } from '../samples.ts'
import { startTarget, type Target } from '../target.ts'

const run = promisify(execFile)

/** Segments whose making a process has logged as done. */
function segmentsDone(target: Target): string[] {
  return [...target.said().matchAll(/"job_id":"([^"]+\.segment\.\d+\.\d+)"[^\n]*"msg":"job done"/g)].map(
    ([, job_id]) => job_id ?? '',
  )
}

describe('a film in segments', () => {
  let folder = ''
  const targets: Target[] = []
  after(async () => {
    for (const target of targets) await target.kill()
    await rm(folder, { recursive: true, force: true })
  })

  test('a kill costs the segment that was being made, and none that was', async () => {
    folder = await mkdtemp(join(tmpdir(), 'media-film-'))
    const path = join(folder, 'film.mkv')
    const source = ['-f', 'lavfi', '-i', 'testsrc2=size=1312x320:rate=25:duration=24']
    await run('ffmpeg', ['-v', 'error', ...source, '-c:v', 'libx264', '-preset', 'ultrafast', '-g', '25', path])
    const env = { VIDEO_SEGMENT_SECONDS: '4', VIDEO_PRESET: 'ultrafast', WORKER_LEASE_SECONDS: '3', LOG_LEVEL: 'info' }
    const start = async () => {
      const dataDir = join(folder, 'data')
      const target = await startTarget({ embedded: true, dataDir, env: { ...env, WORKER_CONCURRENCY: '1' } })
      targets.push(target)
      return target
    }
    const killed = await start()
    const file = new File([await readFile(path)], 'film.mkv')
    const answer = await fetch(`${killed.url}/api/media/upload`, {
      method: 'POST',
      body: formOf({ title: 'A film', file }),
    })
    const { media_id } = (await answer.json()) as { media_id: string }
    const deadline = Date.now() + 240_000
    const wait = async (holds: () => boolean | Promise<boolean>, what: string) => {
      while (!(await holds())) {
        if (Date.now() > deadline) assert.fail(`${what} took too long`)
        await sleep(50)
      }
    }
    await wait(() => segmentsDone(killed).length >= 2, 'two segments')
    await killed.kill()
    const before = segmentsDone(killed)

    const next = await start()
    const recordOf = async () =>
      (await (await fetch(`${next.url}/api/media/${media_id}`)).json()) as { status: string; progress: number }
    const told: number[] = []
    await wait(async () => {
      const { status, progress } = await recordOf()
      told.push(progress)
      return status === 'processed'
    }, 'the film')
    assert.deepEqual(
      told,
      [...told].sort((a, b) => a - b),
      'progress that falls',
    )
    const again = segmentsDone(next)
    const made = [...before, ...again]
    assert.equal(new Set(made).size, made.length, 'a segment was made twice')
    // The killed one may not have told of its last.
    assert.ok(made.length >= 5, `${made.length} segments`)
    assert.equal(await next.stop(), 0)
  })
})
