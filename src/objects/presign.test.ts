import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { systemClock } from '../media/clock.ts'
import { hasCode } from './conformance-kit.ts'
import { openPresignedDoor } from './presign.ts'

describe('addresses of parts', () => {
  let now = 1_000_000_000
  const clock = { ...systemClock, now: () => now }
  const baseUrl = () => 'http://media.test:8080'
  const secret = randomBytes(32)
  const door = openPresignedDoor({ baseUrl, secret, clock })
  const upload = { ref: { bucket: 'temp', key: 'a/b.mp4' }, upload_id: 'ab'.repeat(16) }
  const part = { part_number: 7, size: 8_388_608, expires_in: 3600 }

  function taken(url: string) {
    const { pathname, searchParams } = new URL(url)
    assert.ok(pathname.startsWith('/store/'))
    return { path: pathname.slice('/store'.length), query: searchParams }
  }
  const refused = (url: string) => assert.throws(() => door.admitPart(taken(url)), hasCode('bad_signature'), url)

  test('are admitted for what they were signed for', async () => {
    const url = await door.presignPart(upload, part)
    assert.ok(url.startsWith('http://media.test:8080/store/temp/a/b.mp4?'))
    assert.deepEqual(door.admitPart(taken(url)), { upload, part_number: 7, size: 8_388_608 })
    const unsized = await door.presignPart(upload, { ...part, size: null })
    assert.deepEqual(door.admitPart(taken(unsized)), { upload, part_number: 7, size: null })
    const other = new URL(url)
    other.search = new URLSearchParams([...other.searchParams].reverse()).toString()
    assert.deepEqual(door.admitPart(taken(other.href)).part_number, 7)
  })

  test('are refused with anything altered, missing, doubled or added', async () => {
    const url = await door.presignPart(upload, part)
    for (const name of ['uploadId', 'partNumber', 'size', 'expires', 'signature']) {
      const value = new URL(url).searchParams.get(name) ?? ''
      const alter = (change: (query: URLSearchParams) => void) => {
        const altered = new URL(url)
        change(altered.searchParams)
        refused(altered.href)
      }
      alter((query) => query.set(name, ''))
      alter((query) => query.set(name, `${value}0`))
      alter((query) => query.set(name, `0${value}`))
      alter((query) =>
        query.set(
          name,
          value.replace(/.$/, (last) => (last === '1' ? '2' : '1')),
        ),
      )
      alter((query) => query.delete(name))
      alter((query) => query.append(name, value))
      alter((query) => {
        query.delete(name)
        query.append(name.toUpperCase(), value)
      })
    }
    refused(`${url}&x=1`)
    refused(url.replace('b.mp4', 'c.mp4'))
    refused(url.replace('/temp/', '/processed/'))
    refused(url.replace('/temp/a/', '/temp%2Fa/'))
    refused(url.replace('b.mp4', 'b.mp4/'))
    refused('http://media.test:8080/store/temp/a/b.mp4')
    // The last character of base64url holds bits that decoding drops.
    const signature = new URL(url).searchParams.get('signature') ?? ''
    for (const last of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_') {
      if (!signature.endsWith(last)) refused(url.replace(signature, signature.slice(0, -1) + last))
    }
  })

  test('are refused under another secret, and when they have expired', async () => {
    const others = openPresignedDoor({ baseUrl, secret: randomBytes(32), clock })
    refused(await others.presignPart(upload, part))
    const url = await door.presignPart(upload, part)
    now += 3_600_000
    assert.ok(door.admitPart(taken(url)))
    now += 1_000
    refused(url)
  })
})
