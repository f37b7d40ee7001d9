import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { all, bucket, collect, hasCode, kib, md5, mib, pieces, put, type Suite } from './conformance-kit.ts'

/** Objects stored at once: bytes, ranges, keys, listings, readers. */
export function describeWhole(suite: Suite): void {
  const { must, hold, bytesAt, keys } = suite

  for (const size of [0, 1, 64 * kib - 1, 64 * kib, 64 * kib + 1, mib + 64 * kib, 3 * mib + 17]) {
    must(`gives back ${size} bytes with their MD5 as ETag`, async () => {
      const bytes = randomBytes(size)
      const key = `whole/${size}.mp4`
      const stored = await hold(key, bytes)
      const { last_modified, ...fixed } = stored
      assert.deepEqual(fixed, { ref: { bucket, key }, size, etag: md5(bytes), content_type: 'video/mp4' })
      assert.equal(last_modified % 1000, 0)
      assert.deepEqual(await suite.store.head({ bucket, key }), stored)
      const { object, body } = await suite.store.get({ bucket, key })
      assert.deepEqual(object, stored)
      assert.ok(bytes.equals(await collect(body)))
    })
  }

  must('gives ranges', async () => {
    const bytes = randomBytes(2 * mib + 5)
    await hold('ranges.bin', bytes)
    const last = bytes.length - 1
    for (const [start, end] of [
      [0, 0],
      [last, last],
      [0, last],
      [1, 700 * kib],
      [mib - 1, mib],
      [mib, last],
    ] as const) {
      const got = await bytesAt('ranges.bin', { start, end })
      assert.ok(bytes.subarray(start, end + 1).equals(got), `${start}–${end}`)
    }
  })

  must('answers for what is not there', async () => {
    const ref = { bucket, key: 'nothing/here.mp4' }
    assert.equal(await suite.store.head(ref), null)
    await assert.rejects(suite.store.get(ref), hasCode('not_found'))
    await suite.store.remove(ref)
    await suite.store.markDone(ref)
    assert.equal(await suite.store.removePrefix(bucket, 'nothing/'), 0)
    assert.deepEqual(await keys('nothing/'), [])
    assert.equal(await suite.store.head({ bucket: 'no-such-bucket', key: 'a' }), null)
  })

  must('replaces bytes and attributes together', async () => {
    const [old, fresh] = [randomBytes(1000), randomBytes(1000)]
    await hold('again.bin', old)
    const stored = await hold('again.bin', fresh, { content_type: 'image/png' })
    assert.equal(stored.etag, md5(fresh))
    assert.deepEqual(await suite.store.head({ bucket, key: 'again.bin' }), stored)
    assert.equal(stored.content_type, 'image/png')
    assert.ok(fresh.equals(await bytesAt('again.bin')))
  })

  must('removes', async () => {
    await hold('gone/one', randomBytes(10))
    await hold('gone/two', randomBytes(10))
    await suite.store.remove({ bucket, key: 'gone/one' })
    await suite.store.remove({ bucket, key: 'gone/one' })
    assert.equal(await suite.store.head({ bucket, key: 'gone/one' }), null)
    assert.deepEqual(await keys('gone/'), ['gone/two'])
  })

  must('lists by key, whatever the folders', async () => {
    const mixed = ['l/b', 'l/a/2', 'l/a/1', 'l/a-b', 'l/a.b', 'l/a0', 'l/B', 'l/z/y/x']
    for (const key of mixed) await hold(key, randomBytes(3))
    assert.deepEqual(await keys('l/'), [...mixed].sort())
    assert.deepEqual(await keys('l/a/'), ['l/a/1', 'l/a/2'])
    assert.deepEqual(await keys('l/a'), ['l/a-b', 'l/a.b', 'l/a/1', 'l/a/2', 'l/a0'])
    assert.deepEqual(await keys('l/none'), [])
    const [first] = await all(suite.store.list(bucket, 'l/z/'))
    assert.deepEqual([first?.ref, first?.size], [{ bucket, key: 'l/z/y/x' }, 3])
  })

  must('removes a prefix and not its neighbours', async () => {
    for (const key of ['p/a/1', 'p/a/v1/2', 'p/ab/1', 'p/a-b', 'p/b']) await hold(key, randomBytes(3))
    assert.equal(await suite.store.removePrefix(bucket, 'p/a/'), 2)
    assert.deepEqual(await keys('p/'), ['p/a-b', 'p/ab/1', 'p/b'])
    await hold('p/a/1', randomBytes(3))
    assert.deepEqual(await keys('p/a/'), ['p/a/1'])
  })

  must('refuses keys that are not ours', async () => {
    const hostile = [
      '',
      '/',
      '/a',
      'a/',
      'a//b',
      '.',
      '..',
      '../a',
      'a/../../b',
      'a/..',
      './a',
      '.hidden',
      'a/.b',
      'a\\b',
    ]
    for (const key of [...hostile, 'a b', 'a\0b', 'a%2e', 'ä', 'a\nb', '~', 'x'.repeat(2000), '$(id)']) {
      const ref = { bucket, key }
      const bytes = await suite.store.stage(pieces(randomBytes(10), 10))
      await assert.rejects(bytes.commit(ref, put), hasCode('internal'), JSON.stringify(key))
      await assert.rejects(suite.store.head(ref), hasCode('internal'))
      await assert.rejects(suite.store.get(ref), hasCode('internal'))
      await assert.rejects(suite.store.remove(ref), hasCode('internal'))
    }
    for (const prefix of ['', 'a', '../', '/', 'a/../', './']) {
      await assert.rejects(suite.store.removePrefix(bucket, prefix), hasCode('internal'), JSON.stringify(prefix))
    }
    await assert.rejects(suite.store.head({ bucket: '..', key: 'a' }), hasCode('internal'))
    assert.deepEqual(await suite.opened.unfinished(), [])
  })

  must('lets a reader leave at any point', async () => {
    await hold('left.bin', randomBytes(3 * mib))
    for (let count = 0; count < 20; count++) {
      const { body } = await suite.store.get({ bucket, key: 'left.bin' })
      for await (const chunk of body) {
        assert.ok(chunk.length >= 64 * kib)
        break
      }
      const unread = (await suite.store.get({ bucket, key: 'left.bin' })).body[Symbol.asyncIterator]()
      await unread.return?.()
      assert.equal((await unread.next()).done, true)
    }
    const stop = new AbortController()
    const { body } = await suite.store.get({ bucket, key: 'left.bin' }, { signal: stop.signal })
    const reading = body[Symbol.asyncIterator]()
    await reading.next()
    stop.abort(new Error('reader left'))
    await assert.rejects(reading.next(), /reader left/)
  })

  must('keeps many at a time apart', async () => {
    const all = Array.from({ length: 40 }, (_, n) => ({ key: `many/${n % 7}/${n}`, bytes: randomBytes(n * 20_000) }))
    const stored = await Promise.all(all.map(({ key, bytes }) => hold(key, bytes)))
    for (const [n, { key, bytes }] of all.entries()) {
      assert.equal(stored[n]?.etag, md5(bytes))
      assert.ok(bytes.equals(await bytesAt(key)))
    }
    const same = await Promise.all(all.map(({ bytes }) => hold('many/same', bytes)))
    const winner = await suite.store.head({ bucket, key: 'many/same' })
    assert.ok(same.some(({ etag }) => etag === winner?.etag))
    assert.equal(md5(await bytesAt('many/same')), winner?.etag)
  })

  must('removes and puts under one prefix at a time', async () => {
    const work = Array.from({ length: 30 }, async (_, n) => {
      if (n % 3 === 2) await suite.store.removePrefix(bucket, 'race/a/')
      else await hold(`race/a/v${n % 2}/${n}`, randomBytes(100))
    })
    await Promise.all(work)
    for (const key of await keys('race/')) assert.equal((await bytesAt(key)).length, 100)
    await suite.store.removePrefix(bucket, 'race/a/')
    assert.deepEqual(await keys('race/'), [])
  })
}
