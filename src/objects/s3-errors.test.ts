import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseSettings } from '../media/setting.ts'
import { isTransient, nameOf, s3Error } from './s3-errors.ts'
import { objectsSettings } from './settings.ts'

const asked = { action: 's3:PutObject', bucket: 'b', key: 'k' }
const failure = (name: string, httpStatusCode?: number, more: object = {}) =>
  Object.assign(new Error('words'), { name, $metadata: { httpStatusCode, requestId: 'r1' } }, more)

describe('errors of S3', () => {
  const cases: [string, number | undefined, boolean, string][] = [
    ['SlowDown', 503, true, 'unavailable'],
    ['InternalError', 200, true, 'unavailable'],
    ['BadDigest', 400, true, 'unavailable'],
    ['RequestTimeout', 400, true, 'unavailable'],
    ['TooManyRequests', 429, true, 'unavailable'],
    ['TimeoutError', undefined, true, 'unavailable'],
    ['NoSuchKey', 404, false, 'not_found'],
    ['NotFound', 404, false, 'not_found'],
    ['NoSuchUpload', 404, false, 'not_found'],
    ['NoSuchBucket', 404, false, 'unavailable'],
    ['AccessDenied', 403, false, 'unavailable'],
    ['EntityTooSmall', 400, false, 'invalid_parts'],
    ['QuotaExceeded', 403, false, 'storage_full'],
    ['MalformedXML', 400, false, 'unavailable'],
  ]
  for (const [name, status, transient, code] of cases) {
    test(`${name} is ${code}${transient ? ', after it was asked again' : ''}`, () => {
      const error = s3Error(failure(name, status), asked)
      assert.equal(error.code, code)
      assert.equal(isTransient(failure(name, status)), transient)
      assert.equal(nameOf(error), name)
    })
  }

  test('who is refused is told what to allow, and where', () => {
    const { message } = s3Error(failure('AccessDenied', 403), asked)
    assert.match(message, /s3:PutObject on bucket "b"/)
  })

  test('what was signed is not passed on', () => {
    const signed = { StringToSign: 'AWS4-HMAC-SHA256…', AWSAccessKeyId: 'AKIA' }
    const error = s3Error(failure('SignatureDoesNotMatch', 403, signed), asked)
    assert.ok(!JSON.stringify([error, error.cause]).includes('AKIA'))
    assert.match(String(error.cause), /request r1/)
  })

  test('our own disk is not asked again', () => {
    const full = Object.assign(new Error('full'), { code: 'ENOSPC', syscall: 'write' })
    assert.equal(isTransient(full), false)
    assert.equal(s3Error(full, asked).code, 'storage_full')
    assert.equal(isTransient(Object.assign(new Error('reset'), { code: 'ECONNRESET', syscall: 'read' })), true)
  })
})

describe('settings of S3', () => {
  test('an address of a server is taken without its slash, and anything else refused with words', () => {
    const read = (value: string) => parseSettings(objectsSettings, { OBJECTS_S3_ENDPOINT: value }).s3Endpoint
    assert.equal(read('https://s3.example.com/'), 'https://s3.example.com')
    assert.equal(read(''), undefined)
    for (const wrong of ['s3.example.com', 'ftp://a', 'http://a/bucket', 'http://user:word@a', 'http://a?x=1']) {
      assert.throws(() => read(wrong), /OBJECTS_S3_ENDPOINT takes an address, such as `https:\/\/s3\.example\.com`/)
    }
  })
})
