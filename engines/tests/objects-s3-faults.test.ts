import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import {
  GetBucketCorsCommand,
  GetBucketLifecycleConfigurationCommand,
  GetObjectTaggingCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutBucketLifecycleConfigurationCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { systemChance, systemClock } from '../../src/media/clock.ts'
import { collect, etagOfPieces, hasCode, md5, mib, pieces, put } from '../../src/objects/conformance-kit.ts'
import type { ObjectRef } from '../../src/objects/port.ts'
import { openS3Objects, type S3Options } from '../../src/objects/s3.ts'
import { makeClient } from '../../src/objects/s3-client.ts'
import { setUpS3 } from '../../src/objects/s3-set-up.ts'
import { segmentOf } from '../../src/objects/s3-tails.ts'
import { startCeph } from '../ceph.ts'
import { type Engine, engineFor } from '../engine.ts'
import { openProxy, type Proxy, type Seen } from './s3-proxy.ts'

/** What S3 does when it, or the line to it, fails; and what only S3 has. */
describe('objects on S3', () => {
  const bucket = `faults-${randomUUID()}`
  const processedBucket = `processed-${randomUUID()}`
  const uploadId = (query: URLSearchParams) => query.has('uploadId')
  const isPart = ({ method, query }: Seen) => method === 'PUT' && query.has('partNumber')
  const isComplete = ({ method, query }: Seen) => method === 'POST' && uploadId(query)
  let engine: Engine
  let endpoint: string
  let client: S3Client
  let proxy: Proxy
  let spool: string
  let store: Awaited<ReturnType<typeof openS3Objects>>
  let keys = 0

  const at = (address: string) => ({ endpoint: address, region: 'us-east-1', pathStyle: true })
  // Pauses that no test needs to wait for.
  const chance = { ...systemChance, random: () => 0.01 }
  const given = { clock: systemClock, chance }
  const setUp = (address: string) => ({
    ...{ ...at(address), ...given, tempBucket: bucket, processedBucket },
    ...{ tempDays: 7, expirySeconds: 604_800, corsOrigins: ['https://app.example.com'] },
  })
  const open = (more: Partial<S3Options> = {}) =>
    openS3Objects({ ...at(proxy.address), ...given, publicEndpoint: endpoint, buckets: [bucket], spool, ...more })
  const newRef = (): ObjectRef => ({ bucket, key: `f/${++keys}` })
  const unfinished = async () => {
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: '.tails/' }))
    return [...Uploads, ...Contents].map(({ Key }) => Key)
  }
  const hold = async (ref: ObjectRef, bytes: Uint8Array) =>
    await (await store.stage(pieces(bytes, 50_000))).commit(ref, put)

  before(async () => {
    engine = await engineFor('ceph', startCeph)
    endpoint = engine.env.OBJECTS_S3_ENDPOINT ?? ''
    process.env.AWS_ACCESS_KEY_ID = engine.env.AWS_ACCESS_KEY_ID
    process.env.AWS_SECRET_ACCESS_KEY = engine.env.AWS_SECRET_ACCESS_KEY
    client = makeClient(at(endpoint))
    spool = await mkdtemp(join(tmpdir(), 'spool-'))
    await setUpS3(setUp(endpoint))
  })
  after(async () => {
    client?.destroy()
    await rm(spool, { recursive: true, force: true })
    await engine?.stop()
  })
  beforeEach(async () => {
    proxy = await openProxy(endpoint)
    store = await open()
  })
  afterEach(async () => {
    await store.close()
    await proxy.close()
  })

  async function localFile(size: number): Promise<{ bytes: Buffer; path: string }> {
    const bytes = randomBytes(size)
    const path = join(spool, `local-${size}`)
    await writeFile(path, bytes)
    return { bytes, path }
  }

  test('a large file goes in parts, several at a time; a small one in one request', async () => {
    const large = await localFile(50 * mib + 7)
    const stored = await store.putFile(newRef(), large.path, put)
    assert.equal(stored.etag, etagOfPieces(large.bytes, 8 * mib))
    const parts = proxy.seen.filter(isPart)
    assert.equal(parts.length, 7)
    const under = parts.map(
      ({ started }) => parts.filter((p) => p.started <= started && (p.ended ?? 0) > started).length,
    )
    assert.ok(Math.max(...under) >= 2, `parts under way when each began: ${under}`)
    assert.ok(Math.max(...under) <= 4)
    proxy.seen.length = 0
    const small = await localFile(10 * mib)
    assert.equal((await store.putFile(newRef(), small.path, put)).etag, md5(small.bytes))
    assert.deepEqual(
      proxy.seen.map(({ method }) => method),
      ['PUT', 'HEAD'],
    )
  })

  test('a part that S3 refuses for good leaves no upload behind', async () => {
    const { path } = await localFile(30 * mib)
    proxy.spoil((seen) => isPart(seen) && seen.query.get('partNumber') === '3', {
      done: false,
      reply: { status: 403, body: '<Error><Code>AccessDenied</Code><Message>no</Message></Error>' },
    })
    await assert.rejects(store.putFile(newRef(), path, put), (error: Error) => {
      assert.ok(hasCode('unavailable')(error))
      assert.match(error.message, /s3:PutObject on bucket "faults-/)
      return true
    })
    assert.deepEqual(await unfinished(), [])
  })

  test('what fails is asked for again, with its bytes', async () => {
    const bytes = randomBytes(3 * mib)
    const ref = newRef()
    const isPut = ({ method, path }: Seen) => method === 'PUT' && path.endsWith(ref.key)
    proxy.spoil(isPut, { done: false, reply: { status: 503, body: '<Error><Code>SlowDown</Code></Error>' } })
    proxy.spoil(isPut, { done: false })
    proxy.spoil(isPut, { done: true })
    assert.equal((await hold(ref, bytes)).etag, md5(bytes))
    assert.equal(proxy.seen.filter(isPut).length, 4)
    assert.ok(bytes.equals(await collect((await store.get(ref)).body)))
  })

  test('five times at most, and then it is unavailable', async () => {
    proxy.spoil(() => true, { done: false, reply: { status: 500, body: '' } }, 100)
    await assert.rejects(store.head(newRef()), hasCode('unavailable'))
    assert.equal(proxy.seen.length, 5)
    await assert.rejects(store.ping(), hasCode('unavailable'))
    assert.equal(proxy.seen.length, 6)
  })

  test('a server that is not there is unavailable, and no secret is said', async () => {
    const lost = await open({ ...at('http://127.0.0.1:9') })
    const failure = await lost.head(newRef()).catch((error: Error) => error)
    await lost.close()
    assert.ok(failure instanceof Error && hasCode('unavailable')(failure))
    const said = `${failure.message} ${failure.stack} ${JSON.stringify(failure.cause)} ${failure.cause}`
    assert.match(said, /s3:GetObject of s3:\/\/faults-.*ECONNREFUSED/)
    assert.ok(!said.includes(engine.env.AWS_SECRET_ACCESS_KEY ?? '?') && !/X-Amz|Signature=/i.test(said))
  })

  test('wrong credentials are named as such, without them', async () => {
    const [id, secret] = [process.env.AWS_ACCESS_KEY_ID, process.env.AWS_SECRET_ACCESS_KEY]
    process.env.AWS_SECRET_ACCESS_KEY = 'mistyped'
    try {
      const refused = await open()
      const failure = await refused.beginUpload(newRef(), { ...put, part_size: null }).catch((error: Error) => error)
      await refused.close()
      assert.ok(failure instanceof Error && hasCode('unavailable')(failure))
      assert.match(failure.message, /credentials .*AWS_ACCESS_KEY_ID/)
      assert.ok(!JSON.stringify([failure, failure.cause, failure.stack]).includes('mistyped'))
    } finally {
      Object.assign(process.env, { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret })
    }
  })

  test('a bucket that is not there is named', async () => {
    const staged = await store.stage(pieces(randomBytes(10), 10))
    const refused = staged.commit({ bucket: 'no-such-bucket', key: 'a' }, put)
    await assert.rejects(refused, /no bucket "no-such-bucket": `npm start -- setup` makes it/)
  })

  test('a completion whose answer was lost is recognised', async () => {
    const bytes = randomBytes(5 * mib + 3)
    for (const how of [{ done: true }, { done: true, reply: { status: 500, body: '' } }]) {
      const ref = newRef()
      const upload = await store.beginUpload(ref, { ...put, part_size: 5 * mib })
      await store.append(upload, pieces(bytes, 65_536), { offset: 0 })
      proxy.spoil((seen) => isComplete(seen) && seen.path.endsWith(ref.key), how)
      const object = await store.completeUpload(upload)
      assert.deepEqual([object.etag, object.size], [etagOfPieces(bytes, 5 * mib), bytes.length])
      await assert.rejects(store.completeUpload(upload), hasCode('not_found'))
    }
    assert.deepEqual(await unfinished(), [])
  })

  test('a completion that was done finds the upload gone the next time', async () => {
    const ref = newRef()
    const upload = await store.beginUpload(ref, { ...put, part_size: 5 * mib })
    await store.putPart(upload, { part_number: 1, source: pieces(randomBytes(1000), 1000), size: 1000 })
    const gone = { status: 404, body: '<Error><Code>NoSuchUpload</Code></Error>' }
    // Amazon's own way; Ceph answers a second time as the first.
    proxy.spoil(isComplete, { done: true })
    proxy.spoil(isComplete, { done: false, reply: gone })
    assert.equal((await store.completeUpload(upload)).size, 1000)
    assert.equal(proxy.seen.filter(isComplete).length, 2)
    const other = await store.beginUpload(newRef(), { ...put, part_size: 5 * mib })
    await store.putPart(other, { part_number: 1, source: pieces(randomBytes(1000), 1000), size: 1000 })
    proxy.spoil(isComplete, { done: false, reply: gone })
    await assert.rejects(store.completeUpload(other), hasCode('not_found'))
    await store.abortUpload(other)
  })

  test('a completion that never answers well is looked after', async () => {
    const bytes = randomBytes(1000)
    const ref = newRef()
    const upload = await store.beginUpload(ref, { ...put, part_size: 5 * mib })
    await store.putPart(upload, { part_number: 1, source: pieces(bytes, 1000), size: 1000 })
    const broken = {
      status: 200,
      body: '<Error><Code>InternalError</Code><Message>We encountered an error</Message></Error>',
    }
    proxy.spoil(isComplete, { done: false, reply: broken }, 5)
    await assert.rejects(store.completeUpload(upload), hasCode('unavailable'))
    assert.equal(proxy.seen.filter(isComplete).length, 5)
    assert.equal(await store.head(ref), null)
    proxy.spoil(isComplete, { done: false, reply: broken }, 1)
    assert.equal((await store.completeUpload(upload)).size, 1000)
    assert.ok(bytes.equals(await collect((await store.get(ref)).body)))
  })

  test('a body that is cut is gone on with', async () => {
    const bytes = randomBytes(6 * mib)
    const ref = newRef()
    await hold(ref, bytes)
    const isGet = ({ method }: Seen) => method === 'GET'
    proxy.spoil(isGet, { done: true, after: mib + 17 }, 2)
    assert.ok(bytes.equals(await collect((await store.get(ref)).body)))
    assert.equal(proxy.seen.filter(isGet).length, 3)
    // As long as something comes, any number of times; but not when nothing does.
    proxy.spoil(isGet, { done: true, after: 100_000 }, 8)
    assert.ok(bytes.equals(await collect((await store.get(ref)).body)))
    proxy.spoil(isGet, { done: true, after: 0 }, 6)
    await assert.rejects(collect((await store.get(ref)).body), hasCode('unavailable'))
    proxy.spoil(isGet, { done: true, after: 1000 }, 2)
    const { body } = await store.get(ref, { range: { start: 100, end: 4 * mib } })
    assert.ok(bytes.subarray(100, 4 * mib + 1).equals(await collect(body)))
  })

  test('a body is not gone on with as another object', async () => {
    const ref = newRef()
    await hold(ref, randomBytes(6 * mib))
    proxy.spoil(({ method }) => method === 'GET', { done: true, after: mib })
    const { body } = await store.get(ref)
    await hold(ref, randomBytes(6 * mib))
    await assert.rejects(collect(body), hasCode('unavailable'))
  })

  test('a presigned address takes one part of its size', async () => {
    const bytes = randomBytes(5 * mib)
    const upload = await store.beginUpload(newRef(), { ...put, part_size: 5 * mib })
    const address = (part_number: number, size: number | null) =>
      store.presignPart(upload, { part_number, size, expires_in: 60 })
    const send = async (url: string, body: Uint8Array<ArrayBuffer>) => await fetch(url, { method: 'PUT', body })
    const url = await address(1, bytes.length)
    assert.ok(url.startsWith(endpoint))
    assert.equal((await send(url, new Uint8Array(bytes.subarray(1)))).status, 403)
    assert.equal((await send(url.replace('partNumber=1', 'partNumber=2'), new Uint8Array(bytes))).status, 403)
    const answer = await send(url, new Uint8Array(bytes))
    assert.deepEqual([answer.status, answer.headers.get('etag')], [200, `"${md5(bytes)}"`])
    assert.equal((await send(await address(2, null), new Uint8Array(10))).status, 200)
    const { parts } = await store.heldOf(upload)
    assert.deepEqual(
      parts.map(({ size }) => size),
      [5 * mib, 10],
    )
    await store.completeUpload(upload, parts)
  })

  test('an upload holds more parts than S3 lists at once', async () => {
    const upload = await store.beginUpload(newRef(), { ...put, part_size: 5 * mib })
    for (let start = 1; start <= 1_100; start += 50) {
      const numbers = Array.from({ length: 50 }, (_, n) => start + n)
      const send = (part_number: number) =>
        store.putPart(upload, { part_number, source: pieces(randomBytes(10), 10), size: 10 })
      await Promise.all(numbers.map(send))
    }
    assert.equal((await store.heldOf(upload)).parts.length, 1_100)
    await store.abortUpload(upload)
  })

  test('a prefix of more objects than S3 removes at once is removed', async () => {
    const one = (n: number) =>
      client.send(new PutObjectCommand({ Bucket: bucket, Key: `many/${n % 3}/${n}`, Body: 'x' }))
    for (let start = 0; start < 1_050; start += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, n) => one(start + n)))
    }
    assert.equal(await store.removePrefix(bucket, 'many/'), 1_050)
    assert.equal(await store.removePrefix(bucket, 'many/'), 0)
  })

  test('an object that is done with is tagged for the lifecycle', async () => {
    const ref = newRef()
    await hold(ref, randomBytes(10))
    await store.markDone(ref)
    const { TagSet } = await client.send(new GetObjectTaggingCommand({ Bucket: bucket, Key: ref.key }))
    assert.deepEqual(TagSet, [{ Key: 'media-service', Value: 'done' }])
  })

  test('many small appends make one object, with few tails at a time', async () => {
    const bytes = randomBytes(70_000)
    const ref = newRef()
    const upload = await store.beginUpload(ref, { ...put, part_size: 5 * mib })
    let most = 0
    for (let offset = 0; offset < bytes.length; offset += 1_000) {
      await store.append(upload, pieces(bytes.subarray(offset, offset + 1_000), 300), { offset })
      most = Math.max(most, (await unfinished()).length - 1)
    }
    assert.ok(most > 2 && most <= 16, `${most} tails`)
    await store.completeUpload(upload)
    assert.ok(bytes.equals(await collect((await store.get(ref)).body)))
    assert.deepEqual(await unfinished(), [])
  })

  test('who lags behind in another process harms nobody', async () => {
    const bytes = randomBytes(5_000)
    const ref = newRef()
    const upload = await store.beginUpload(ref, { ...put, part_size: 5 * mib })
    await store.append(upload, pieces(bytes.subarray(0, 2_000), 500), { offset: 0 })
    await store.append(upload, pieces(bytes.subarray(2_000, 4_000), 500), { offset: 2_000 })
    // The same bytes, from where the other was.
    const late = segmentOf(upload, 2_000, 2_700)
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: late.key, Body: bytes.subarray(2_000, 2_700) }))
    assert.equal((await store.heldOf(upload)).offset, 4_000)
    await store.append(upload, pieces(bytes.subarray(4_000), 500), { offset: 4_000 })
    await store.completeUpload(upload)
    assert.ok(bytes.equals(await collect((await store.get(ref)).body)))
    assert.deepEqual(await unfinished(), [])
  })

  test('what a slow sender has sent is held before he ends', async () => {
    const upload = await store.beginUpload(newRef(), { ...put, part_size: 5 * mib })
    const left = Promise.withResolvers<void>()
    const slow = async function* () {
      yield randomBytes(1000)
      await left.promise
    }
    const appending = store.append(upload, slow(), { offset: 0 })
    while ((await store.heldOf(upload)).offset < 1000) await systemClock.sleep(200)
    left.resolve()
    assert.equal(await appending, 1000)
    await store.abortUpload(upload)
    assert.deepEqual(await unfinished(), [])
  })

  test('an append sends each part once, and a part that was cut is gone on with', async () => {
    const bytes = randomBytes(23 * mib)
    const ref = newRef()
    const upload = await store.beginUpload(ref, { ...put, part_size: 5 * mib })
    const cut = async function* () {
      yield* pieces(bytes.subarray(0, 12 * mib), 65_536)
      throw new Error('cut')
    }
    await assert.rejects(store.append(upload, cut(), { offset: 0 }), /cut/)
    const { offset } = await store.heldOf(upload)
    assert.equal(offset, 12 * mib)
    const limit = bytes.length
    assert.equal(await store.append(upload, pieces(bytes.subarray(offset), 65_536), { offset, limit }), limit)
    assert.deepEqual(
      proxy.seen.filter(isPart).map(({ query }) => Number(query.get('partNumber'))),
      [1, 2, 3, 4, 5],
    )
    const tails = proxy.seen.filter(({ method, path }) => method === 'PUT' && path.includes('/.tails/'))
    assert.deepEqual(
      tails.map(({ length }) => length),
      [2 * mib],
    )
    assert.equal((await store.completeUpload(upload)).etag, etagOfPieces(bytes, 5 * mib))
    assert.ok(bytes.equals(await collect((await store.get(ref)).body)))
  })

  test('a full line to a stopped server ends without an answer that lies', async () => {
    const bytes = randomBytes(12 * mib)
    const upload = await store.beginUpload(newRef(), { ...put, part_size: 5 * mib })
    proxy.spoil((seen) => isPart(seen) && seen.query.get('partNumber') === '2', { done: false }, 100)
    await assert.rejects(store.append(upload, pieces(bytes, 65_536), { offset: 0 }), hasCode('unavailable'))
    assert.equal((await store.heldOf(upload)).offset, 5 * mib)
    await store.abortUpload(upload)
    const spooled = await readdir(join(spool, String(process.pid)))
    assert.deepEqual(spooled, [])
  })

  test('setting up twice changes nothing the second time, and keeps the rules of others', async () => {
    const foreign = { ID: 'theirs', Status: 'Enabled' as const, Filter: { Prefix: 'x/' }, Expiration: { Days: 3 } }
    await client.send(
      new PutBucketLifecycleConfigurationCommand({ Bucket: bucket, LifecycleConfiguration: { Rules: [foreign] } }),
    )
    const first = await setUpS3(setUp(proxy.address))
    assert.ok(
      first.some((line) => /lifecycle set \(3 rules, 1 of others kept\)/.test(line)),
      first.join('\n'),
    )
    proxy.seen.length = 0
    const lines = await setUpS3(setUp(proxy.address))
    const written = proxy.seen.filter(
      ({ method, query }) => method !== 'GET' && method !== 'HEAD' && !query.has('encryption'),
    )
    assert.deepEqual(written, [], lines.join('\n'))
    const { Rules = [] } = await client.send(new GetBucketLifecycleConfigurationCommand({ Bucket: bucket }))
    assert.deepEqual(Rules.map(({ ID }) => ID).sort(), [
      'media-service-any',
      'media-service-done',
      'media-service-tails',
      'theirs',
    ])
    const days = (name: string) => Rules.find(({ ID }) => ID === `media-service-${name}`)
    assert.deepEqual(
      [days('done')?.Expiration?.Days, days('any')?.Expiration?.Days, days('tails')?.Expiration?.Days],
      [7, 70, 8],
    )
    assert.equal(days('any')?.AbortIncompleteMultipartUpload?.DaysAfterInitiation, 8)
    const { CORSRules = [] } = await client.send(new GetBucketCorsCommand({ Bucket: bucket }))
    assert.deepEqual(
      CORSRules.map((rule) => [rule.AllowedOrigins, rule.AllowedMethods, rule.ExposeHeaders]),
      [[['https://app.example.com'], ['PUT'], ['ETag']]],
    )
  })

  test('a page of an allowed origin may send a part, and read its ETag', async () => {
    const upload = await store.beginUpload(newRef(), { ...put, part_size: 5 * mib })
    const url = await store.presignPart(upload, { part_number: 1, size: 10, expires_in: 60 })
    const ask = async (origin: string) =>
      await fetch(url, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'content-type' },
      })
    assert.equal(
      (await ask('https://app.example.com')).headers.get('access-control-allow-origin'),
      'https://app.example.com',
    )
    assert.equal((await ask('https://evil.example.com')).headers.get('access-control-allow-origin'), null)
    const sent = await fetch(url, {
      method: 'PUT',
      body: new Uint8Array(10),
      headers: { origin: 'https://app.example.com' },
    })
    assert.match(sent.headers.get('access-control-expose-headers') ?? '', /etag/i)
    await store.abortUpload(upload)
  })
})
