import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../media/clock.ts'
import { openFilesystemObjects } from '../objects/filesystem.ts'
import type { Output } from './recipes/recipe.ts'
import { openStoring } from './storing.ts'

test('stores what an output names before it, a few at a time, and each once', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'storing-'))
  const objects = await openFilesystemObjects({ root: join(folder, 'objects'), clock: systemClock })
  try {
    const path = join(folder, 'file')
    await writeFile(path, '1234567890')
    const order: string[] = []
    let underWay = 0
    let most = 0
    const putFile: typeof objects.putFile = async (ref, from, options) => {
      most = Math.max(most, ++underWay)
      const stored = await objects.putFile(ref, from, options)
      underWay--
      order.push(ref.key)
      return stored
    }
    const { signal } = new AbortController()
    const storing = openStoring({ objects: { putFile }, bucket: 'processed', prefix: 'm/v1/', signal })
    const none = { width: null, height: null, duration: 10 }
    const file = (key: string) => ({ path, key, content_type: 'video/mp4' })
    const hls: Output = {
      ...{ name: 'hls', path, extension: '.m3u8', key: 'hls/master.m3u8', content_type: 'text/plain', ...none },
      beside: Array.from({ length: 40 }, (_, at) => file(`hls/${at}.m4s`)),
    }
    const mp4: Output = { name: '720p', path, extension: '.mp4', content_type: 'video/mp4', ...none }
    await storing.store([mp4])
    const shares: number[] = []
    const [first, second] = await storing.store([mp4, hls], (share) => shares.push(share))
    assert.deepEqual(
      [first?.s3_url, second?.s3_url],
      ['s3://processed/m/v1/720p.mp4', 's3://processed/m/v1/hls/master.m3u8'],
    )
    assert.deepEqual([second?.file_size, second?.bitrate], [410, 328])
    assert.deepEqual([order.length, order[0], order.at(-1)], [42, 'm/v1/720p.mp4', 'm/v1/hls/master.m3u8'])
    assert.ok(most > 1 && most <= 8, `${most} at once`)
    assert.deepEqual([shares.length, shares.at(-1)], [41, 1])
    const broken = { ...hls, key: 'hls/other.m3u8', beside: [file('a'), { ...file('b'), path: join(folder, 'none') }] }
    await assert.rejects(storing.store([broken]))
    assert.equal(await objects.head({ bucket: 'processed', key: 'm/v1/hls/other.m3u8' }), null)
  } finally {
    await objects.close()
    await rm(folder, { recursive: true, force: true })
  }
})
