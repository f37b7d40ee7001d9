import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, afterEach, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { codeOf, MediaError } from '../media/errors.ts'
import { boundary, contentType, end, filePart, gif, type Kit, nothing, openKit, part, titlePart } from './kit.test.ts'

const formLimit = 300_000

describe('form door', () => {
  let kit: Kit
  before(async () => {
    kit = await openKit({ formLimit })
  })
  after(async () => await kit.close())

  async function post(body: Buffer | Readable, type = contentType) {
    const init = { method: 'POST', headers: { 'content-type': type }, body, duplex: 'half' }
    const reply = await fetch(kit.url, init as unknown as RequestInit)
    return { status: reply.status, body: (await reply.json()) as Record<string, unknown> }
  }
  async function remove({ media_id, temp_s3_url }: Record<string, unknown>) {
    await kit.objects.remove({ bucket: 'temp', key: String(temp_s3_url).slice('s3://temp/'.length) })
    const patch = { status: 'deleted' } as const
    await kit.metadata.commit({ media_id: String(media_id), expect: {}, patch })
  }

  describe('takes', () => {
    test('title and file, with record, job, event, wake-up and bytes', async () => {
      const bytes = gif(200_000)
      const { status, body } = await post(Buffer.concat([titlePart('Ein Fuchs 🦊'), filePart(bytes), end]))
      assert.equal(status, 201)
      const { media_id, upload_time, ...rest } = body
      assert.match(String(upload_time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      const md5 = createHash('md5').update(bytes).digest('hex')
      const key = `${media_id}.gif`
      assert.deepEqual(
        [
          rest.title,
          rest.media_type,
          rest.content_type,
          rest.status,
          rest.filename,
          rest.file_size,
          rest.etag,
          rest.temp_s3_url,
        ],
        ['Ein Fuchs 🦊', 'image', 'image/gif', 'uploaded', 'a.gif', 200_000, md5, `s3://temp/${key}`],
      )
      assert.deepEqual(await kit.metadata.get(String(media_id)), body)
      assert.ok(bytes.equals(await readFile(join(kit.folder, 'objects/temp', key))))
      assert.equal((await kit.objects.head({ bucket: 'temp', key }))?.content_type, 'image/gif')
      const job = await kit.metadata.getJob(`${media_id}.process`)
      assert.deepEqual([job?.state, job?.lane, job?.user_id], ['queued', 'tasks', 'ada'])
      const events = await kit.metadata.timeline(String(media_id), 0, 10)
      assert.deepEqual(
        events.map(({ type, seq }) => [type, seq]),
        [['media.uploaded', 1]],
      )
      assert.equal((await kit.queue.depth()).tasks, 1)
      await remove(body)
    })

    const orders: Record<string, Buffer[]> = {
      'the title behind the file': [filePart(gif(100_000)), titlePart('t')],
      'other fields around': [
        part('Content-Disposition: form-data; name="x"', 'y'),
        titlePart('t'),
        part('Content-Disposition: form-data; name="blob"; filename=""\r\nContent-Type: application/octet-stream', ''),
        filePart(gif()),
        part('Content-Disposition: form-data; name=""', 'z'.repeat(200_000)),
      ],
      'a title that comes as a blob': [
        part('Content-Disposition: form-data; name="title"; filename="blob"', 't'),
        filePart(gif()),
      ],
      'a file without a name': [titlePart('t'), part('Content-Disposition: form-data; name="file"', gif())],
      'a part without a name before': [part('X-Y: z', 'text'), titlePart('t'), filePart(gif())],
      'the first of two titles': [titlePart('t'), titlePart('u'), filePart(gif())],
      'text before the first boundary': [Buffer.from('preamble\r\n'), titlePart('t'), filePart(gif())],
      'a file of exactly the limit': [titlePart('t'), filePart(gif(formLimit))],
    }
    for (const [name, parts] of Object.entries(orders)) {
      test(name, async () => {
        const { status, body } = await post(Buffer.concat([...parts, end]))
        assert.equal(status, 201, JSON.stringify(body))
        assert.deepEqual([body.title, body.content_type], ['t', 'image/gif'])
        await remove(body)
      })
    }

    const names: [attributes: string, filename: string | null][] = [
      ['filename="Mein Bild (1).gif"', 'Mein Bild (1).gif'],
      ['filename="../../etc/passwd"', 'passwd'],
      ['filename="C:\\\\Users\\\\ada\\\\x.gif"', 'x.gif'],
      ['filename="/"', null],
      ['filename=".."', null],
      ['filename="Grüße 🦊.gif"', 'Grüße 🦊.gif'],
      ["filename*=UTF-8''Gr%C3%BC%C3%9Fe.gif", 'Grüße.gif'],
      ['filename="a%22b%0D%0A.gif"', 'a"b.gif'],
      ['filename="a\\"b.gif"', 'a"b.gif'],
      ['filename="evil\u202Efig.exe"', 'evilfig.exe'],
      ['filename="a\u0000\u0007b.gif"', 'ab.gif'],
      [`filename="${'ü'.repeat(300)}.gif"`, `${'ü'.repeat(125)}.gif`],
      ['filename="nul\uD800.gif"', 'nul\uFFFD.gif'],
      ['filename="; rm -rf ~.gif"', '; rm -rf ~.gif'],
      ['filename="__proto__"', '__proto__'],
    ]
    for (const [attributes, filename] of names) {
      test(`the file name ${JSON.stringify(attributes.slice(0, 60))}`, async () => {
        const { status, body } = await post(Buffer.concat([titlePart('t'), filePart(gif(), attributes), end]))
        assert.equal(status, 201, JSON.stringify(body))
        assert.equal(body.filename, filename)
        assert.match(String(body.temp_s3_url), /^s3:\/\/temp\/[0-9a-f-]{36}\.gif$/)
        await remove(body)
      })
    }

    test('however the body is cut into pieces', async () => {
      const bytes = gif(70_000)
      const body = Buffer.concat([filePart(bytes), titlePart('t'), end])
      const cuts = fc.array(fc.integer({ min: 1, max: body.length }), { maxLength: 40 })
      await fc.assert(
        fc.asyncProperty(cuts, async (found) => {
          const edges = [0, ...found.sort((a, b) => a - b), body.length]
          const pieces = edges.slice(1).map((edge, n) => body.subarray(edges[n], edge))
          const headers = { 'content-type': contentType }
          const signal = new AbortController().signal
          const given = Readable.from(pieces.filter(({ length }) => length > 0))
          const record = await kit.door.receive({ headers, body: given, user_id: 'ada', signal })
          assert.equal(record.etag, createHash('md5').update(bytes).digest('hex'))
          await remove({ ...record })
        }),
        { numRuns: 40 },
      )
    })

    test('a body that comes byte by byte', async () => {
      const body = Buffer.concat([titlePart('t'), filePart(gif()), end])
      const drip = Readable.from(Array.from(body, (byte) => Buffer.from([byte])))
      const { status, body: record } = await post(drip)
      assert.equal(status, 201)
      await remove(record)
    })

    test('many at a time', async () => {
      const forms = Array.from({ length: 30 }, (_, n) =>
        Buffer.concat([filePart(gif(1000 * n)), titlePart(`t${n}`), end]),
      )
      const replies = await Promise.all(forms.map((form) => post(form)))
      assert.deepEqual(
        replies.map(({ body }) => body.title),
        forms.map((_, n) => `t${n}`),
      )
      for (const { body } of replies) await remove(body)
    })
  })

  describe('refuses and keeps nothing', () => {
    afterEach(async () => assert.deepEqual(await kit.kept(), nothing))

    const refusals: [name: string, code: string, form: Buffer[]][] = [
      ['no title', 'title_missing', [filePart(gif(100_000)), end]],
      ['a blank title', 'title_missing', [titlePart(' \t '), filePart(gif()), end]],
      ['a title of two lines', 'invalid_request', [titlePart('a\nb'), filePart(gif()), end]],
      ['a title with a null', 'invalid_request', [filePart(gif()), titlePart('a\0b'), end]],
      ['a title that is no UTF-8', 'invalid_request', [titlePart(Buffer.from([0x61, 0xff])), filePart(gif()), end]],
      ['a long title', 'invalid_request', [titlePart('x'.repeat(501)), filePart(gif()), end]],
      ['a huge title', 'invalid_request', [titlePart('x'.repeat(200_000)), filePart(gif()), end]],
      ['no file', 'file_missing', [titlePart('t'), end]],
      ['no parts', 'file_missing', [end]],
      ['an empty file', 'file_empty', [titlePart('t'), filePart(Buffer.alloc(0)), end]],
      ['an input left empty', 'file_empty', [titlePart('t'), filePart(Buffer.alloc(0), 'filename=""'), end]],
      ['two files', 'too_many_files', [titlePart('t'), filePart(gif()), filePart(gif()), end]],
      ['two large files', 'too_many_files', [titlePart('t'), filePart(gif(200_000)), filePart(gif(200_000)), end]],
      [
        'a file in another field',
        'file_missing',
        [titlePart('t'), part('Content-Disposition: form-data; name="f"; filename="a"', gif()), end],
      ],
      ['a file over the limit', 'too_large', [titlePart('t'), filePart(gif(formLimit + 1)), end]],
      ['a form far over the limit', 'too_large', [titlePart('t'), filePart(gif(5_000_000)), end]],
      [
        'endless other fields',
        'too_large',
        [titlePart('t'), part('Content-Disposition: form-data; name="x"', 'x'.repeat(3_000_000)), filePart(gif()), end],
      ],
      [
        'too many fields',
        'malformed_request',
        [
          ...Array.from({ length: 150 }, () => part('Content-Disposition: form-data; name="x"', 'y')),
          titlePart('t'),
          filePart(gif()),
          end,
        ],
      ],
      ['text', 'unsupported_media', [titlePart('t'), filePart(Buffer.from('hello')), end]],
      [
        'a page named as a picture',
        'unsupported_media',
        [titlePart('t'), filePart(Buffer.from(`<!doctype html>${' '.repeat(100_000)}`)), end],
      ],
      ['a playlist', 'unsupported_media', [titlePart('t'), filePart(Buffer.from('#EXTM3U\nfile:///etc/passwd')), end]],
      ['a form that stops in the file', 'upload_interrupted', [titlePart('t'), filePart(gif(100_000))]],
      ['a form that stops after its parts', 'upload_interrupted', [titlePart('t'), filePart(gif())]],
      ['another boundary', 'malformed_request', [Buffer.from('--other\r\n\r\nx\r\n--other--\r\n')]],
      ['nothing', 'malformed_request', [Buffer.alloc(0)]],
    ]
    for (const [name, code, form] of refusals) {
      test(name, async () => {
        const { body } = await post(Buffer.concat(form))
        assert.equal(body.code, code)
        if (code === 'malformed_request') assert.match(String(body.detail), /[Ff]orm/)
      })
    }

    const types = [
      'multipart/form-data',
      'application/json',
      'multipart/mixed; boundary=x',
      `multipart/form-data; boundary=${'b'.repeat(2000)}`,
    ]
    for (const type of types) {
      test(`the type ${type.slice(0, 50)}`, async () => {
        const { body } = await post(Buffer.concat([titlePart('t'), filePart(gif()), end]), type)
        assert.equal(body.code, 'malformed_request')
      })
    }

    test('a connection cut anywhere', async () => {
      const body = Buffer.concat([titlePart('t'), filePart(gif(150_000)), end])
      for (const sent of [0, 10, 100, 5000, 70_000, body.length - 1]) {
        const socket = connect(kit.port, '127.0.0.1')
        await once(socket, 'connect')
        socket.write(
          `POST / HTTP/1.1\r\nHost: x\r\nContent-Type: ${contentType}\r\nContent-Length: ${body.length}\r\n\r\n`,
        )
        await new Promise((resolve) => socket.write(body.subarray(0, sent), resolve))
        socket.destroy()
        await once(socket, 'close')
        assert.deepEqual(await kit.kept(), nothing)
      }
    })

    test('at once, while the rest is still to come, which is left alone', async () => {
      const starts: [code: string, start: Buffer][] = [
        ['title_missing', Buffer.concat([titlePart(' '), filePart(gif())])],
        ['unsupported_media', Buffer.concat([titlePart('t'), filePart(Buffer.alloc(100_000, 'text'))])],
        ['too_large', Buffer.concat([titlePart('t'), filePart(gif(formLimit + 1))])],
      ]
      for (const [code, start] of starts) {
        // It never ends and never says so.
        const body = new Readable({ read() {} })
        body.push(start)
        const headers = { 'content-type': contentType }
        const signal = new AbortController().signal
        const refused = kit.door.receive({ headers, body, user_id: 'ada', signal })
        await assert.rejects(refused, (error) => codeOf(error) === code, code)
        assert.equal(body.destroyed, false)
        assert.equal(body.isPaused(), true)
        let rest = 0
        body.on('data', (chunk) => {
          rest += chunk.length
        })
        body.push(Buffer.alloc(10))
        body.push(null)
        body.resume()
        await once(body, 'end')
        assert.equal(rest, 10)
      }
    })

    test('when the caller has gone, before or meanwhile', async () => {
      const reason = new MediaError('upload_interrupted', 'gone')
      const headers = { 'content-type': contentType }
      const early = Readable.from([titlePart('t'), filePart(gif()), end])
      await assert.rejects(
        kit.door.receive({ headers, body: early, user_id: 'ada', signal: AbortSignal.abort(reason) }),
        reason,
      )
      const gone = new AbortController()
      const body = new Readable({ read() {} })
      body.push(Buffer.concat([titlePart('t'), filePart(gif(100_000))]).subarray(0, 90_000))
      const refused = kit.door.receive({ headers, body, user_id: 'ada', signal: gone.signal })
      setImmediate(() => gone.abort(reason))
      await assert.rejects(refused, reason)
    })

    test('noise, always with an answer', async () => {
      const bits = fc.constantFrom(
        `--${boundary}`,
        '\r\n',
        '--',
        'Content-Disposition: form-data; name="file"; filename="a"',
        ': ;="',
        'x',
      )
      const noise = fc.array(fc.oneof(bits, fc.string()), { maxLength: 30 }).map((parts) => Buffer.from(parts.join('')))
      await fc.assert(
        fc.asyncProperty(noise, async (bytes) => {
          const { status } = await post(Buffer.concat([Buffer.from(`--${boundary}\r\n`), bytes]))
          assert.equal(status, 400)
        }),
        { numRuns: 100 },
      )
    })
  })

  test('one refusal does not disturb another upload', async () => {
    const good = Buffer.concat([titlePart('t'), filePart(gif(250_000)), end])
    const bad = Buffer.concat([titlePart('t'), filePart(Buffer.alloc(250_000, 'no')), end])
    const replies = await Promise.all(Array.from({ length: 20 }, (_, n) => post(n % 2 ? good : bad)))
    assert.deepEqual(
      replies.map(({ status }) => status),
      Array.from({ length: 20 }, (_, n) => (n % 2 ? 201 : 400)),
    )
    const kept = await kit.kept()
    assert.deepEqual([kept.staged.length, kept.held.length, kept.records.length], [0, 20, 10])
  })
})
