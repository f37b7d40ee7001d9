import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../acceptance/ports.ts'
import { formOf, makeSample } from '../../acceptance/samples.ts'
import { startTarget, type Target } from '../../acceptance/target.ts'
import { eicar, longestStream, startClamav } from '../clamav.ts'
import { type Engine, engineFor } from '../engine.ts'

/** The service in front of a real ClamAV daemon: what it finds is never delivered, what it has not seen never passes. */
describe('uploads scanned by ClamAV', () => {
  let engine: Engine
  let target: Target
  let photo: Buffer
  let clip: Buffer

  before(async () => {
    engine = await engineFor('clamav', () => startClamav())
    target = await startTarget({ embedded: true, env: engine.env })
    photo = Buffer.from(await (await makeSample('photo.jpg')).arrayBuffer())
    clip = Buffer.from(await (await makeSample('clip.mp4')).arrayBuffer())
  })
  after(async () => {
    await target.stop()
    await engine.stop()
  })

  test('what is clean is processed', async () => {
    assert.equal((await outcome(target, photo, 'photo.jpg')).status, 'processed')
    assert.equal((await outcome(target, clip, 'clip.mp4')).status, 'processed')
  })

  test('what holds malware fails, is not tried again, and is never delivered', async () => {
    for (const [bytes, name] of [
      [photo, 'photo.jpg'],
      [clip, 'clip.mp4'],
    ] as const) {
      const record = await outcome(target, Buffer.concat([bytes, Buffer.from(eicar)]), name)
      assert.deepEqual([record.status, record.error.code, record.attempts], ['failed', 'malware_found', 1])
      assert.deepEqual(record.renditions, [])
      const download = await fetch(`${target.url}/api/media/download/${record.media_id}`, { redirect: 'manual' })
      assert.equal(download.status, 409)
      const line = target
        .said()
        .split('\n')
        .find((one) => one.includes(record.media_id) && one.includes('security'))
      const { security, found, checksum } = JSON.parse(line ?? '{}')
      assert.deepEqual([security, found], ['malware_found', 'Eicar-Signature.UNOFFICIAL'])
      assert.match(checksum, /^sha256:/)
    }
  })

  test('what lies across two chunks is found', async () => {
    const before = Buffer.concat([photo, Buffer.alloc(256 * 1024 - photo.length - 30)])
    const record = await outcome(target, Buffer.concat([before, Buffer.from(eicar)]), 'photo.jpg')
    assert.equal(record.error.code, 'malware_found')
  })

  test('what is too long to be scanned is refused, or passes as not scanned where the operator says so', async () => {
    const long = Buffer.concat([photo, Buffer.alloc(longestStream)])
    assert.equal((await outcome(target, long, 'photo.jpg')).error.code, 'too_large_to_scan')
    const lenient = await startTarget({ embedded: true, env: { ...engine.env, CLAMD_OVERSIZE: 'skip' } })
    const record = await outcome(lenient, long, 'photo.jpg')
    await lenient.stop()
    assert.deepEqual([record.status, record.warnings], ['processed', ['not_scanned']])
  })

  test('while it is away uploads wait, and are scanned when it is back', async () => {
    const port = await freePort()
    const waiting = await startTarget({ embedded: true, env: { CLAMD_ADDRESS: `127.0.0.1:${port}` } })
    const sent = await upload(waiting, Buffer.concat([photo, Buffer.from(eicar)]), 'photo.jpg')
    await until(async () => waiting.said().includes('scanner_unavailable'))
    const meanwhile = await recordOf(waiting, sent.media_id)
    assert.deepEqual([meanwhile.status, meanwhile.playable, meanwhile.attempts], ['processing', false, 0])
    const late = await startClamav({ port })
    const record = await finalRecord(waiting, sent.media_id)
    await waiting.stop()
    await late.stop()
    assert.equal(record.error?.code, 'malware_found')
  })
})

async function outcome(target: Target, bytes: Buffer, name: string): Promise<any> {
  return await finalRecord(target, (await upload(target, bytes, name)).media_id)
}

async function upload(target: Target, bytes: Buffer, name: string): Promise<any> {
  const body = formOf({ title: name, file: new File([new Uint8Array(bytes)], name) })
  const answer = await fetch(`${target.url}/api/media/upload`, { method: 'POST', body })
  assert.equal(answer.status, 201)
  return await answer.json()
}

async function recordOf(target: Target, media_id: string): Promise<any> {
  return await (await fetch(`${target.url}/api/media/${media_id}`)).json()
}

async function finalRecord(target: Target, media_id: string): Promise<any> {
  let record: any
  await until(async () => {
    record = await recordOf(target, media_id)
    return ['processed', 'failed'].includes(record.status)
  })
  return record
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, 'it did not come about within a minute')
    await sleep(50)
  }
}
