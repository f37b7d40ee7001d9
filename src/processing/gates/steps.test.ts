import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { codeOf } from '../../media/errors.ts'
import { isInternal } from '../../media/internal.ts'
import type { MediaType } from '../../media/record.ts'
import type { Processed } from '../process.ts'
import { ffmpeg, openTestbed } from '../testbed.test.ts'
import { readSteps } from './steps.ts'

/** Steps of an operator's: real programs in the sandbox, and a real server. */
describe('steps', () => {
  let folder: string
  let photo: string
  let song: string
  before(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'steps-')))
    photo = join(folder, 'photo.jpg')
    song = join(folder, 'song.mp3')
    await ffmpeg('-f', 'lavfi', '-i', 'testsrc2=size=64x48', '-frames:v', '1', photo)
    await ffmpeg('-f', 'lavfi', '-i', 'sine=duration=1', song)
  })
  after(async () => await rm(folder, { recursive: true, force: true }))

  async function program(name: string, script: string): Promise<string> {
    const path = join(folder, name)
    await writeFile(path, `#!/bin/sh\n${script}\n`)
    await chmod(path, 0o755)
    return path
  }

  async function run(step: object, path: string, media_type: MediaType): Promise<Processed & { captions: string }> {
    const STEPS_FILE = join(folder, 'steps.json')
    await writeFile(STEPS_FILE, JSON.stringify([{ name: 'it', on: ['image', 'video', 'audio'], ...step }]))
    const bed = await openTestbed({ env: { STEPS_FILE } })
    try {
      const processed = await bed.process(path, { media_type })
      const has = processed.renditions.some(({ name }) => name === 'subtitles-en')
      return { ...processed, captions: has ? await readFile(await bed.pathOf(processed, 'subtitles-en'), 'utf8') : '' }
    } finally {
      await bed.close()
    }
  }
  const endsAs = async (code: string, step: object, path = photo, kind: MediaType = 'image') =>
    await assert.rejects(run(step, path, kind), (error) => codeOf(error) === code)
  const verdict = { gives: 'verdict' }
  const captions = { gives: 'captions' }

  describe('by a program', () => {
    test('a verdict lets through, or refuses', async () => {
      const allows = await program('allows', `cat media.json >&2; test -s "$2" && echo '{"allow":true}' > verdict.json`)
      assert.ok((await run({ ...verdict, command: [allows, '--file', '{input}'] }, photo, 'image')).processed_s3_url)
      const refuses = await program('refuses', `echo '{"allow":false,"reason":"a cat"}' > verdict.json`)
      await endsAs('refused_by_moderation', { ...verdict, command: [refuses] })
      await endsAs('refused_by_moderation', { ...verdict, command: [refuses], required: false })
    })

    test('one that is asked of films is asked of what calls itself sound, too', async () => {
      const refuses = await program('refuses', `echo '{"allow":false}' > verdict.json`)
      await endsAs('refused_by_moderation', { ...verdict, on: ['video'], command: [refuses] }, song, 'audio')
      assert.ok(await run({ ...verdict, on: ['video'], command: [refuses] }, photo, 'image'))
    })

    test('what gives no verdict fails the media, or warns where it need not succeed', async () => {
      const scripts = {
        fails: 'exit 3',
        silent: 'exit 0',
        babbles: 'echo maybe > verdict.json',
        slow: 'sleep 30',
        links: `ln -s ${join(folder, 'allowed.json')} verdict.json`,
        pipes: 'mkfifo verdict.json',
        large: 'head -c 9000000 /dev/zero > verdict.json',
      }
      await writeFile(join(folder, 'allowed.json'), '{"allow":true}')
      for (const [name, script] of Object.entries(scripts)) {
        const command = [await program(name, script)]
        await endsAs('step_failed', { ...verdict, command, timeout_seconds: 1 })
        const { warnings } = await run({ ...verdict, command, timeout_seconds: 1, required: false }, photo, 'image')
        assert.deepEqual(warnings, ['it_failed'], name)
      }
    })

    test('it sees its own folder and what it may read, and no environment', async () => {
      const secret = join(folder, 'secret')
      await writeFile(secret, 'x')
      const looks = (reads: string) =>
        program('looks', `test ${reads} -e ${secret} && test -z "$HOME" && echo '{"allow":true}' > verdict.json; true`)
      const kind = (await openKind()) === 'bwrap'
      if (kind) assert.ok(await run({ ...verdict, command: [await looks('!')] }, photo, 'image'))
      assert.ok(await run({ ...verdict, command: [await looks('')], reads: [secret] }, photo, 'image'))
    })

    test('captions become renditions, cleaned of all but their cues', async () => {
      const text = 'WEBVTT\\n\\nSTYLE\\n::cue { background: url(http://a) }\\n\\n1\\n00:00.000 --> 00:01.000\\nHello\\n'
      const command = [await program('writes', `printf '${text}' > en.vtt`)]
      const made = await run({ ...captions, command }, song, 'audio')
      assert.equal(made.captions, 'WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n')
      const { content_type } = made.renditions.find(({ name }) => name === 'subtitles-en') ?? {}
      assert.equal(content_type, 'text/vtt')
    })

    test('those of a film are a track of its stream', async () => {
      const film = join(folder, 'film.mp4')
      await ffmpeg('-f', 'lavfi', '-i', 'testsrc2=size=64x48:duration=1', '-c:v', 'libx264', film)
      const STEPS_FILE = join(folder, 'steps.json')
      const text = 'WEBVTT\\n\\n00:00.000 --> 00:00.900\\nBonjour\\n'
      const command = [await program('speaks', `printf '${text}' > fr.vtt`)]
      await writeFile(STEPS_FILE, JSON.stringify([{ name: 'it', on: ['video'], ...captions, command }]))
      const bed = await openTestbed({ env: { STEPS_FILE } })
      try {
        const master = await bed.pathOf(await bed.process(film, { media_type: 'video' }), 'hls')
        const said = await readFile(master, 'utf8')
        assert.match(said, /^#EXT-X-MEDIA:TYPE=SUBTITLES.*LANGUAGE="fr".*URI="subtitles-fr\.m3u8"$/m)
        assert.match(said, /^#EXT-X-STREAM-INF:.*SUBTITLES="subtitles"/m)
        const playlist = await readFile(join(dirname(master), 'subtitles-fr.m3u8'), 'utf8')
        const segment = /^#EXTINF:1\.000000,\n(\S+)$/m.exec(playlist)?.[1] ?? ''
        assert.match(await readFile(join(dirname(master), segment), 'utf8'), /Bonjour/)
      } finally {
        await bed.close()
      }
    })

    test('what is no caption is none: a warning, or a failure where it must succeed', async () => {
      for (const script of [`echo hello > en.vtt`, `printf 'WEBVTT' > 'e n.vtt'`]) {
        const command = [await program('wrong', script)]
        assert.deepEqual((await run({ ...captions, command }, song, 'audio')).warnings, ['it_failed'], script)
        await endsAs('step_failed', { ...captions, command, required: true }, song, 'audio')
      }
    })
  })

  describe('by a server', () => {
    async function serve(answer: (request: IncomingMessage, reply: ServerResponse, body: Buffer) => void) {
      const server = createServer(async (request, reply) => {
        const chunks: Buffer[] = []
        for await (const chunk of request) chunks.push(chunk)
        answer(request, reply, Buffer.concat(chunks))
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      return { url: `http://127.0.0.1:${port}/judge`, [Symbol.asyncDispose]: async () => void server.close() }
    }
    const inside = { allow_internal: true }

    test('it gets the bytes and what they are, and its verdict counts', async () => {
      const authorization_file = join(folder, 'key')
      await writeFile(authorization_file, 'Bearer of-the-operator\n')
      let seen: unknown
      let allow = true
      await using server = await serve((request, reply, body) => {
        seen = [request.method, request.headers.authorization, request.headers['media-type'], body.length]
        reply.end(JSON.stringify({ allow, reason: 'a cat' }))
      })
      const step = { ...verdict, ...inside, url: server.url, authorization_file }
      assert.ok(await run(step, photo, 'image'))
      assert.deepEqual(seen, ['POST', 'Bearer of-the-operator', 'image', (await readFile(photo)).length])
      allow = false
      await endsAs('refused_by_moderation', step)
    })

    test('it gives captions by language', async () => {
      const en = 'WEBVTT\n\n00:00.000 --> 00:00.500\nHello'
      await using server = await serve((_, reply) => reply.end(JSON.stringify({ captions: { en } })))
      const { captions: text } = await run({ ...captions, ...inside, url: server.url }, song, 'audio')
      assert.equal(text, `${en}\n`)
    })

    test('what may pass is tried again', async () => {
      let asked = 0
      await using server = await serve((_, reply) => {
        reply.statusCode = ++asked < 3 ? 503 : 200
        reply.end('{"allow":true}')
      })
      assert.ok(await run({ ...verdict, ...inside, url: server.url }, photo, 'image'))
      assert.equal(asked, 3)
    })

    test('what will not is not: refusals, redirects, answers too long or too late', async () => {
      const answers: ((reply: ServerResponse) => unknown)[] = [
        (reply) => reply.writeHead(404).end(),
        (reply) => reply.writeHead(302, { location: '/other' }).end(),
        (reply) => reply.end(Buffer.alloc(9_000_000, 32)),
        (reply) => reply.write('{"allow":'),
        (reply) => reply.end('<html>'),
      ]
      for (const answer of answers) {
        let asked = 0
        await using server = await serve((_, reply) => {
          asked++
          answer(reply)
        })
        await endsAs('step_failed', { ...verdict, ...inside, url: server.url, timeout_seconds: 1 })
        assert.equal(asked, 1)
      }
    })

    test('an internal address is not asked unless the operator says so, by whatever name', async () => {
      let asked = 0
      await using server = await serve((_, reply) => {
        asked++
        reply.end('{"allow":true}')
      })
      const { port } = new URL(server.url)
      for (const host of ['127.0.0.1', 'localhost', '2130706433', '[::ffff:127.0.0.1]', '0.0.0.0', '0x7f.1']) {
        await endsAs('step_failed', { ...verdict, url: `http://${host}:${port}/` })
      }
      assert.equal(asked, 0)
    })

    test('a file that is too large for it is not sent', async () => {
      await using server = await serve((_, reply) => reply.end('{"allow":true}'))
      await endsAs('step_failed', { ...verdict, ...inside, url: server.url, max_bytes: 10 })
    })
  })

  test('a file that is wrong says where', async () => {
    const path = join(folder, 'wrong.json')
    const step = { name: 'a', on: ['image'], gives: 'verdict', command: ['/bin/true'] }
    const cases: [unknown, RegExp][] = [
      ['{', /no JSON/],
      [{}, /array/],
      [[{ ...step, on: ['text'] }], /\/0\/on/],
      [[{ ...step, name: 'A b' }], /\/0\/name/],
      [[{ ...step, url: 'http://a' }], /either command or url/],
      [[{ ...step, command: ['true'] }], /absolute path/],
      [[{ ...step, input: '720p' }], /reads the raw file/],
      [[step, step], /twice/],
      [[{ ...step, timeout: 3 }], /wrong\.json/],
    ]
    for (const [content, said] of cases) {
      await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
      await assert.rejects(readSteps(path), said)
    }
    await assert.rejects(readSteps(join(folder, 'nothing.json')), /cannot be read/)
    assert.deepEqual(await readSteps(undefined), [])
  })

  test('addresses inside are known in all their forms', () => {
    for (const inner of ['127.0.0.1', '10.1.2.3', '169.254.169.254', '::1', '::ffff:10.0.0.1', 'fd00::1', 'fe80::1'])
      assert.equal(isInternal(inner), true, inner)
    for (const outer of ['1.1.1.1', '2606:4700::1111', '172.32.0.1']) assert.equal(isInternal(outer), false, outer)
  })
})

async function openKind(): Promise<string> {
  const { probeSandbox } = await import('../tools/sandbox.ts')
  return (await probeSandbox('auto')).kind
}
