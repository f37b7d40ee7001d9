import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import sharp from 'sharp'
import { startTarget, type Target } from '../target.ts'

/** The whole service killed again and again while clients upload: what was acknowledged is there, whole, and gets processed. */

const kills = Number(process.env.CRASH_KILLS ?? 50)
const dataDir = mkdtempSync(join(tmpdir(), 'media-crash-'))

interface Acknowledged {
  media_id: string
  md5: string
}

let made = 0
async function picture(): Promise<Buffer> {
  const red = made++ % 256
  const noise = { type: 'gaussian' as const, mean: 128, sigma: 30 }
  return await sharp({ create: { width: 64, height: 48, channels: 3, background: { r: red, g: 1, b: 2 }, noise } })
    .jpeg()
    .toBuffer()
}

/** Uploads until the service dies; only what was answered counts. */
async function uploadUntilDeath(url: string, acknowledged: Acknowledged[]): Promise<void> {
  for (;;) {
    const bytes = await picture()
    const form = new FormData()
    form.set('title', `picture ${made}`)
    form.set('file', new Blob([new Uint8Array(bytes)]), 'picture.jpg')
    try {
      const answer = await fetch(`${url}/api/media/upload`, { method: 'POST', body: form })
      assert.equal(answer.status, 201, await answer.clone().text())
      const { media_id } = (await answer.json()) as { media_id: string }
      acknowledged.push({ media_id, md5: createHash('md5').update(bytes).digest('hex') })
      await sleep(Math.random() * 80)
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error
      return
    }
  }
}

async function readRecord(target: Target, media_id: string) {
  const answer = await fetch(`${target.url}/api/media/${media_id}`)
  assert.equal(answer.status, 200, `acknowledged ${media_id} answers ${answer.status}`)
  return (await answer.json()) as { status: string; etag: string; error: unknown; attempts: number }
}

describe('crash', () => {
  after(() => rmSync(dataDir, { recursive: true, force: true }))

  test(`${kills} times killed with SIGKILL: nothing acknowledged is lost, all is processed`, async (t) => {
    const acknowledged: Acknowledged[] = []
    // One that was under way at several kills is given up otherwise, as one that kills its workers: the slower the machine, the sooner.
    const env = { WORKER_MAX_ATTEMPTS: '20' }
    for (let kill = 0; kill < kills; kill++) {
      const target = await startTarget({ dataDir, env })
      const uploads = [1, 2, 3].map(() => uploadUntilDeath(target.url, acknowledged))
      await sleep(20 + Math.random() * 700)
      await target.kill()
      await Promise.all(uploads)
    }
    const target = await startTarget({ dataDir, env })
    try {
      for (const { media_id, md5 } of acknowledged) {
        let record = await readRecord(target, media_id)
        for (
          ;
          record.status !== 'processed' && record.status !== 'failed';
          record = await readRecord(target, media_id)
        ) {
          await sleep(100)
        }
        assert.deepEqual([record.status, record.error, record.etag], ['processed', null, md5], media_id)
        const file = await fetch(`${target.url}/api/media/download/${media_id}`)
        assert.equal(file.status, 200)
        await file.arrayBuffer()
      }
      t.diagnostic(`${acknowledged.length} uploads acknowledged, all processed`)
      assert.ok(acknowledged.length > kills, `only ${acknowledged.length} uploads between the kills`)
    } finally {
      await target.stop()
    }
    assert.deepEqual(readdirSync(join(dataDir, 'work')), [], 'working folders of killed jobs are swept')
  })

  test('told to stop, it hands back a running job within the limit, and the next start finishes it', async () => {
    const env = { WORKER_STOP_SECONDS: '1' }
    const first = await startTarget({ dataDir, env })
    const form = new FormData()
    form.set('title', 'a long one')
    form.set('file', new Blob([new Uint8Array(await longClip())]), 'long.mp4')
    const answer = await fetch(`${first.url}/api/media/upload`, { method: 'POST', body: form })
    const { media_id } = (await answer.json()) as { media_id: string }
    while ((await readRecord(first, media_id)).status !== 'processing') await sleep(50)
    const began = performance.now()
    assert.equal(await first.stop(), 0)
    assert.ok(performance.now() - began < 8_000, 'stopped within its limits')

    const second = await startTarget({ dataDir, env })
    try {
      let record = await readRecord(second, media_id)
      for (
        ;
        record.status === 'processing' || record.status === 'uploaded';
        record = await readRecord(second, media_id)
      ) {
        await sleep(200)
      }
      assert.deepEqual([record.status, record.attempts], ['processed', 1], 'a handed-back attempt does not count')
    } finally {
      await second.stop()
    }
  })
})

/** Long enough that no machine encodes it before the stop comes. */
async function longClip(): Promise<Buffer> {
  const { execFileSync } = await import('node:child_process')
  const source = ['-f', 'lavfi', '-i', 'testsrc2=s=1920x1080:r=30:d=20', '-c:v', 'libx264', '-preset', 'ultrafast']
  const args = ['-loglevel', 'error', ...source, '-movflags', 'frag_keyframe+empty_moov', '-f', 'mp4', '-']
  return execFileSync('ffmpeg', args, { maxBuffer: 200 * 1024 * 1024 })
}
