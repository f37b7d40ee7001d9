import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'

interface Media {
  checksum: string | null
  renditions: { name: string; s3_url: string; file_size: number; etag: string }[]
}

/**
 * Asserts that all the record names can be had, byte for byte as it was stored, and is of one attempt.
 * @returns the record
 */
export async function assertWhole(serviceUrl: string, media_id: string): Promise<Media> {
  const record = (await (await fetch(`${serviceUrl}/api/media/${media_id}`)).json()) as Media
  const { renditions } = record
  assert.ok(renditions.length >= 2, `${media_id} has ${renditions.length} renditions`)
  const attempts = new Set(renditions.map((one) => /\/v\d+\//.exec(one.s3_url)?.[0]))
  assert.equal(attempts.size, 1, `${media_id} has renditions of ${[...attempts].join(' and ')}`)
  for (const { name, s3_url, file_size, etag } of renditions) {
    const file = await fetch(`${serviceUrl}/api/media/download/${media_id}?rendition=${name}`)
    const bytes = await file.bytes()
    assert.equal(file.status, 200, `${media_id} ${name}`)
    // What names other files is delivered with their signed addresses in it.
    if (/\.(m3u8|vtt)$/.test(s3_url)) continue
    assert.equal(bytes.length, file_size, `${media_id} ${name}`)
    if (/^[0-9a-f]{32}$/.test(etag)) assert.equal(createHash('md5').update(bytes).digest('hex'), etag)
  }
  return record
}
