import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { makeSample } from '../samples.ts'

/** A file on disk that a page is given. */
export interface Given {
  path: string
  size: number
  /** `sha256:…` */
  checksum: string
}

const mebi = 1024 * 1024

/** A picture of a few kilobytes, or a real video that a box which players pass over makes as large as is wanted. */
export async function makeFile(folder: string, kind: 'photo.jpg' | 'clip.mp4', megabytes = 0): Promise<Given> {
  const sample = Buffer.from(await (await makeSample(kind)).arrayBuffer())
  const bytes = megabytes === 0 ? sample : Buffer.concat([sample, freeBox(megabytes * mebi - sample.length)])
  const path = join(folder, kind)
  await writeFile(path, bytes)
  return { path, size: bytes.length, checksum: `sha256:${createHash('sha256').update(bytes).digest('hex')}` }
}

/** ISO/IEC 14496-12, 8.1.2: "The contents of a free-space box are irrelevant and may be ignored". */
function freeBox(size: number): Buffer {
  const box = Buffer.alloc(size)
  // Bytes that differ from part to part, so that parts in the wrong order are noticed.
  for (let at = 8; at + 4 <= size; at += 4) box.writeUInt32LE((at * 2_654_435_761) >>> 0, at)
  box.writeUInt32BE(size, 0)
  box.write('free', 4, 'latin1')
  return box
}

/** Waits until the media is processed; its record. The checksum is of the bytes that the worker found in the store. */
export async function assertProcessed(
  media_id: string,
  { url, file, headers = {} }: { url: string; file: Given; headers?: Record<string, string> },
) {
  const record = await until(async () => {
    const answer = await fetch(`${url}/api/media/${media_id}`, { headers })
    const found = (await answer.json()) as Record<string, unknown>
    assert.equal(answer.status, 200, JSON.stringify(found))
    return found.status === 'processed' || found.status === 'failed' ? found : null
  })
  assert.equal(record.status, 'processed', JSON.stringify(record.error))
  assert.deepEqual([record.file_size, record.checksum], [file.size, file.checksum])
  return record
}

/** Asks again until there is an answer. */
export async function until<T>(ask: () => Promise<T | null | false>): Promise<T> {
  for (const end = Date.now() + 60_000; ; ) {
    const answer = await ask()
    if (answer !== null && answer !== false) return answer
    assert.ok(Date.now() < end, `never came: ${ask}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

export interface Sent {
  method: string
  url: string
}

/** What the page sends, but for what it asks beforehand. */
export function listen(page: Page): Sent[] {
  const sent: Sent[] = []
  page.on('request', (request) => sent.push({ method: request.method(), url: request.url() }))
  return sent
}

/** Lets the page send so many bytes a second, at most. */
export async function throttle(page: Page, uploadThroughput: number): Promise<void> {
  const devtools = await page.context().newCDPSession(page)
  const conditions = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput }
  await devtools.send('Network.emulateNetworkConditions', conditions)
}

/** Bytes of all files below a folder. */
export async function bytesBelow(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true }).catch(() => [])
  const sizes = await Promise.all(
    names.map(
      async (name) =>
        await stat(join(folder, name)).then(
          (found) => (found.isFile() ? found.size : 0),
          () => 0,
        ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}
