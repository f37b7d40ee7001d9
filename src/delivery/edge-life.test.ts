import assert from 'node:assert/strict'
import { readdir, readlink } from 'node:fs/promises'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { request } from 'undici'
import { type Clock, systemClock } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import type { ObjectStore } from '../objects/port.ts'
import { bucket, large, media_id, openTestbed, small, type Testbed, until } from './testbed.test.ts'

/** A time that the test moves; whoever sleeps is woken soon. */
function movableClock() {
  const clock = {
    ms: systemClock.now(),
    now: () => clock.ms,
    sleep: (_: number, signal?: AbortSignal) => systemClock.sleep(5, signal),
  }
  return clock satisfies Clock
}

async function status(url: string): Promise<number> {
  const reply = await request(url)
  await reply.body.dump()
  return reply.statusCode
}

/** Asks for `url` and then reads nothing more. */
async function startReading(bed: Testbed, url: string) {
  const { hostname, port } = new URL(bed.origin)
  const socket = connect(Number(port), hostname)
  const state = { bytes: 0, closed: false, socket }
  socket.on('error', () => {})
  socket.on('close', () => {
    state.closed = true
  })
  socket.once('data', (chunk) => {
    state.bytes = chunk.length
    socket.pause()
  })
  socket.write(`GET ${url.slice(bed.origin.length)} HTTP/1.1\r\nHost: x\r\n\r\n`)
  await until(() => state.bytes > 0)
  return state
}

async function openFiles(folder: string): Promise<number> {
  const names = await readdir('/proc/self/fd')
  const targets = await Promise.all(names.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')))
  return targets.filter((target) => target.startsWith(folder)).length
}

const huge = Buffer.alloc(32 * 1024 * 1024, 7)

test('a deleted media is gone a second later, from memory too', async () => {
  const clock = movableClock()
  const deleted = new Set<string>()
  let asked = 0
  const isDeleted = async (id: string) => {
    asked += 1
    return deleted.has(id)
  }
  const bed = await openTestbed({ clock, edge: { isDeleted } })
  try {
    const url = await bed.store('a.jpg', small)
    const largeUrl = await bed.store('a.mp4', large)
    for (let times = 0; times < 5; times++) assert.equal(await status(url), 200)
    assert.equal(asked, 1)
    // The bytes are still there: the purge comes when it comes.
    deleted.add(media_id)
    clock.ms += 1_000
    assert.equal(await status(url), 404)
    assert.equal(await status(largeUrl), 404)
    assert.ok(await bed.objects.head({ bucket, key: `${media_id}/v1/a.jpg` }))
    await bed.objects.removePrefix(bucket, `${media_id}/`)
    deleted.clear()
    clock.ms += 1_000
    assert.equal(await status(url), 404, 'nothing was kept in memory')
  } finally {
    await bed.close()
  }
})

test('without records to ask, a removed object is gone a second later', async () => {
  const clock = movableClock()
  const bed = await openTestbed({ clock })
  try {
    const url = await bed.store('a.jpg', small)
    const largeUrl = await bed.store('a.mp4', large)
    assert.equal(await status(url), 200)
    assert.equal(await status(largeUrl), 200)
    await bed.objects.removePrefix(bucket, `${media_id}/`)
    assert.equal(await status(largeUrl), 404)
    clock.ms += 1_000
    assert.equal(await status(url), 404)
  } finally {
    await bed.close()
  }
})

test('a deletion cuts a reply under way, and leaves no file open', async () => {
  const clock = movableClock()
  const deleted = new Set<string>()
  const bed = await openTestbed({ clock, edge: { isDeleted: async (id) => deleted.has(id) } })
  try {
    const reader = await startReading(bed, await bed.store('a.mp4', huge))
    deleted.add(media_id)
    let received = reader.bytes
    reader.socket.on('data', (chunk) => {
      received += chunk.length
    })
    await until(async () => (await openFiles(bed.folder)) === 0)
    reader.socket.resume()
    await until(() => reader.closed)
    assert.ok(received < huge.length, 'the rest was not sent')
  } finally {
    await bed.close()
  }
})

test('forget cuts at once', async () => {
  const bed = await openTestbed({ edge: { isDeleted: async () => false } })
  try {
    const reader = await startReading(bed, await bed.store('a.mp4', huge))
    bed.edge.forget(media_id)
    await until(async () => (await openFiles(bed.folder)) === 0)
    reader.socket.resume()
    await until(() => reader.closed)
  } finally {
    await bed.close()
  }
})

test('a reader that goes or stalls leaves no file open', async () => {
  const bed = await openTestbed({ edge: { stallLimit: 200 } })
  try {
    const url = await bed.store('a.mp4', huge)
    const readers = await Promise.all([1, 2, 3, 4].map(() => startReading(bed, url)))
    for (const reader of readers.slice(0, 2)) reader.socket.destroy()
    // The other two take nothing more.
    await until(async () => (await openFiles(bed.folder)) === 0)
    for (const reader of readers.slice(2)) reader.socket.resume()
    await until(() => readers.every((reader) => reader.closed))
  } finally {
    await bed.close()
  }
})

test('requests queued on one connection are dropped with it', async () => {
  const bed = await openTestbed()
  try {
    const url = (await bed.store('a.mp4', huge)).slice(bed.origin.length)
    const { hostname, port } = new URL(bed.origin)
    const socket = connect(Number(port), hostname)
    socket.on('error', () => {})
    socket.write(`GET ${url} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(4))
    await until(async () => (await openFiles(bed.folder)) > 0)
    socket.destroy()
    await until(async () => (await openFiles(bed.folder)) === 0)
  } finally {
    await bed.close()
  }
})

test('closing cuts what is under way', async () => {
  const bed = await openTestbed()
  const reader = await startReading(bed, await bed.store('a.mp4', huge))
  reader.socket.resume()
  bed.edge.close()
  await until(() => reader.closed)
  await bed.close()
})

test('many who ask for one object at once make one look-up', async () => {
  let reads = 0
  const bed = await openTestbed()
  const objects: ObjectStore = {
    ...bed.objects,
    get: async (...given) => {
      reads += 1
      return await bed.objects.get(...given)
    },
  }
  const counted = await openTestbed({ edge: { objects } })
  try {
    await bed.store('a.jpg', small)
    const url = counted.sign('a.jpg')
    const statuses = await Promise.all(Array.from({ length: 50 }, () => status(url)))
    assert.ok(statuses.every((one) => one === 200))
    assert.equal(reads, 1)
  } finally {
    await counted.close()
    await bed.close()
  }
})

test('a store that fails is a 503, and nothing of it is remembered', async () => {
  let fails = true
  const bed = await openTestbed()
  const get: ObjectStore['get'] = async (...given) => {
    if (fails) throw new MediaError('unavailable', 'the disk is away')
    return await bed.objects.get(...given)
  }
  const failing = await openTestbed({ edge: { objects: { ...bed.objects, get } } })
  try {
    await bed.store('a.jpg', small)
    const url = failing.sign('a.jpg')
    const reply = await request(url)
    await reply.body.dump()
    assert.equal(reply.statusCode, 503)
    assert.equal(reply.headers['retry-after'], '5')
    fails = false
    assert.equal(await status(url), 200)
  } finally {
    await failing.close()
    await bed.close()
  }
})

test('a store without local files is streamed from', async () => {
  const bed = await openTestbed()
  const { pathOf: _, ...objects } = bed.objects
  const other = await openTestbed({ edge: { objects } })
  try {
    await bed.store('a.mp4', large)
    const url = other.sign('a.mp4')
    const whole = await request(url)
    assert.ok(Buffer.from(await whole.body.arrayBuffer()).equals(large))
    const part = await request(url, { headers: { range: 'bytes=1000-2000000' } })
    assert.ok(Buffer.from(await part.body.arrayBuffer()).equals(large.subarray(1000, 2_000_001)))
    await bed.store('b.mp4', huge)
    const reader = await startReading(other, other.sign('b.mp4'))
    reader.socket.destroy()
    await until(async () => (await openFiles(bed.folder)) === 0)
  } finally {
    await other.close()
    await bed.close()
  }
})

test('HTTP/2: whole, part, refusal, and a deletion under way', async () => {
  const deleted = new Set<string>()
  const bed = await openTestbed({ http2: true, edge: { isDeleted: async (id) => deleted.has(id) } })
  const session = connectHttp2(bed.origin)
  session.on('error', () => {})
  try {
    const url = await bed.store('a.mp4', large)
    const smallUrl = await bed.store('a.jpg', small)
    const ask = async (address: string, headers: Record<string, string> = {}) => {
      const stream = session.request({ ':path': address.slice(bed.origin.length), ...headers })
      const head = new Promise<Record<string, unknown>>((resolve) => stream.once('response', resolve))
      const chunks: Buffer[] = []
      for await (const chunk of stream) chunks.push(chunk)
      return { head: await head, bytes: Buffer.concat(chunks) }
    }
    assert.ok((await ask(url)).bytes.equals(large))
    assert.ok((await ask(smallUrl)).bytes.equals(small))
    const part = await ask(url, { range: 'bytes=-1000000' })
    assert.equal(part.head[':status'], 206)
    assert.ok(part.bytes.equals(large.subarray(-1_000_000)))
    assert.equal((await ask(url, { ':method': 'HEAD' })).bytes.length, 0)
    assert.equal((await ask(url.replace('Expires=', 'Expires=1'))).head[':status'], 403)

    const slow = session.request({ ':path': (await bed.store('b.mp4', huge)).slice(bed.origin.length) })
    const cut = text(slow).then(
      () => slow.rstCode,
      () => slow.rstCode,
    )
    await new Promise((resolve) => slow.once('response', resolve))
    slow.pause()
    bed.edge.forget(media_id)
    slow.resume()
    assert.notEqual(await cut, 0)
    await until(async () => (await openFiles(bed.folder)) === 0)
  } finally {
    session.destroy()
    await bed.close()
  }
})
