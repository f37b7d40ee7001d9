import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Compile } from 'typebox/compile'
import { Media, type Media as MediaShape } from '../../contract/media.ts'
import type { MediaRecord } from '../media/record.ts'
import { newRecord } from '../media/record.ts'
import { wireOf } from './projection.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
type Flat<T> = { [K in keyof T]: T[K] }

/** Does not compile when the contract and the record drift apart. */
type Wire = Flat<
  Omit<MediaRecord, 'schema' | 'deleted_at' | 'upload' | 'idempotency'> & { media_url: string; progress: number }
>
const sameFields: Equal<keyof Wire, keyof MediaShape> = true
const sameTypes: { [K in keyof Wire]: Equal<Wire[K], MediaShape[K]> } = {
  media_id: true,
  user_id: true,
  title: true,
  media_type: true,
  upload_time: true,
  status: true,
  temp_s3_url: true,
  processed_s3_url: true,
  thumbnail_s3_url: true,
  etag: true,
  file_size: true,
  media_url: true,
  filename: true,
  content_type: true,
  progress: true,
  error: true,
  attempts: true,
  version: true,
  playable: true,
  width: true,
  height: true,
  duration: true,
  placeholder: true,
  dominant_color: true,
  profile: true,
  warnings: true,
  renditions: true,
  checksum: true,
}

const media_id = '550e8400-e29b-41d4-a716-446655440000'
const fresh = newRecord({
  media_id,
  user_id: '12345',
  title: 'Mountain Adventure',
  media_type: 'video',
  upload_time: '2025-05-08T12:00:00.000Z',
  status: 'uploaded',
})

test('the wire record is the contract, field by field', () => {
  assert.ok(sameFields)
  const wire = wireOf({ record: fresh, progress: 0 }, 'https://media.example.com')
  assert.deepEqual(Object.keys(wire).sort(), Object.keys(Media.properties).sort())
  assert.deepEqual(Object.keys(wire).sort(), Object.keys(sameTypes).sort())
  assert.equal(wire.media_url, `https://media.example.com/api/media/download/${media_id}`)
})

test('a fresh, a processed and a failed record are valid', () => {
  const check = Compile(Media)
  const rendition = {
    name: '720p',
    s3_url: `s3://processed-bucket/${media_id}/v1/720p.mp4`,
    content_type: 'video/mp4',
    file_size: 1,
    etag: 'd41d8cd98f00b204e9800998ecf8427e',
    width: 1280,
    height: 720,
    bitrate: null,
    duration: 1.5,
  }
  const processed: MediaRecord = {
    ...fresh,
    status: 'processed',
    temp_s3_url: `s3://temp-bucket/${media_id}.mp4`,
    processed_s3_url: rendition.s3_url,
    renditions: [rendition],
    duration: 1.5,
    file_size: 52_428_800,
  }
  const failed: MediaRecord = { ...fresh, status: 'failed', error: { code: 'undecodable', message: 'Broken.' } }
  for (const record of [fresh, processed, failed]) {
    const wire = wireOf({ record, progress: 100 }, 'http://127.0.0.1:8080')
    assert.deepEqual([...check.Errors(wire)], [])
  }
})
