import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { makeSample } from '../samples.ts'
import { startTarget, type Target } from '../target.ts'
import { openShell, type Shell, valuesOf } from './media.ts'

const launcher = join(import.meta.dirname, '../../cli/media.mjs')

describe('media upload', () => {
  let target: Target
  let shell: Shell
  let folder: string
  before(async () => {
    // What is asked here is that they come in: nothing is processed.
    folder = await mkdtemp(join(tmpdir(), 'media-profiles-'))
    const PROFILES_FILE = join(folder, 'profiles.json')
    await writeFile(PROFILES_FILE, JSON.stringify({ small: { image: { widths: [32] } } }))
    target = await startTarget({ role: 'serve', env: { PROFILES_FILE } })
    shell = await openShell(target.url)
  })
  after(async () => {
    await target.stop()
    await shell.remove()
    await rm(folder, { recursive: true, force: true })
  })
  const countOf = async (search: string) =>
    valuesOf(await shell.media('list', '--all', '--json', '--search', search)).length

  test('a profile is named for all; one that is not offered ends it at once', async () => {
    const photo = await (await makeSample('photo.jpg')).bytes()
    const names = Array.from({ length: 6 }, (_, n) => `profiled-${n}.jpg`)
    for (const name of names) await writeFile(join(shell.folder, name), photo)
    const sent = await shell.media('upload', ...names, '--profile', 'small', '--json')
    assert.equal(sent.code, 0, sent.err)
    assert.deepEqual(
      valuesOf(sent).map(({ media }) => media.profile),
      names.map(() => 'small'),
    )
    const refused = await shell.media('upload', ...names, '--profile', 'large', '--parallel', '1')
    assert.equal(refused.code, 1, refused.err)
    assert.match(refused.err, /There is no such profile\. There are: default, small\.\n0 of 6 files are done/)
    assert.equal(await countOf('profiled-'), names.length)
  })

  test('ended by Ctrl-C, it says how to go on, and goes on there', async () => {
    const clip = await (await makeSample('clip.mp4')).bytes()
    const names = Array.from({ length: 8 }, (_, n) => `stopped-${n}.mp4`)
    const state = join(shell.folder, '.local/state/media-service')
    const before = await filesBelow(state)
    for (const name of names) {
      const file = await open(join(shell.folder, name), 'w')
      await file.write(clip)
      // Longer than a part: a film of which the end is not there, which the doors do not look at.
      await file.truncate(64 * 2 ** 20)
      await file.close()
    }
    const first = shell.start(['upload', ...names, '--parallel', '1'])
    while (!first.said.out.includes('stopped-1')) await once(first.child.stdout ?? assert.fail(), 'data')
    first.child.kill('SIGINT')
    const stopped = await first.ended
    assert.equal(stopped.code, 130)
    assert.match(stopped.err, /Stopped\.\n(\d) of 8 files are done\. Run the same command again/)
    const done = stopped.out.trim().split('\n').length
    assert.ok(done < 8, 'it was over before it was ended')

    const second = await shell.media('upload', ...names, '--parallel', '1')
    assert.equal(second.code, 0, second.err)
    assert.equal(second.out.match(/uploaded before/g)?.length, done)
    assert.equal(await countOf('stopped-'), 8, 'none is there twice')
    assert.deepEqual(await filesBelow(state), before, 'nothing is left to go on with')
  })

  test('ended while it watches, it says how to go on; what is removed meanwhile counts as failed', async () => {
    const photo = await (await makeSample('photo.jpg')).bytes()
    const names = ['watched-1.jpg', 'watched-2.jpg']
    for (const name of names) await writeFile(join(shell.folder, name), photo)
    // Nothing is processed here: it would watch for ever.
    const first = shell.start(['upload', '--watch', ...names])
    while ((await countOf('watched-')) < 2) await sleep(50)
    first.child.kill('SIGINT')
    const stopped = await first.ended
    assert.equal(stopped.code, 130)
    assert.match(stopped.err, /^media: Stopped\.\n0 of 2 files are done\. Run the same command again/)

    const second = shell.start(['upload', '--watch', '--json', ...names])
    // What is removed before it is looked for is uploaded anew: that goes too.
    while (second.child.exitCode === null) {
      const listed = valuesOf(await shell.media('list', '--json', '--search', 'watched-'))
      if (listed.length > 0) await shell.media('remove', '--yes', ...listed.map(({ media_id }) => media_id))
    }
    const removed = await second.ended
    assert.equal(removed.code, 1)
    const codes = valuesOf(removed).map(({ error }) => error?.code)
    // One that goes before it is watched at all is not found.
    assert.ok(codes.length === 2 && codes.every((code) => ['deleted', 'not_found'].includes(`${code}`)), `${codes}`)
  })

  test('killed when the service has a file and has not said so, no file is there twice', async () => {
    const photo = await (await makeSample('photo.jpg')).bytes()
    const names = Array.from({ length: 12 }, (_, n) => `killed-${n}.jpg`)
    for (const name of names) await writeFile(join(shell.folder, name), photo)
    const line = await openMuteLine(target.url)
    try {
      for (const silentFrom of [1, 5]) {
        line.muteAfter(silentFrom)
        const run = shell.start(['upload', ...names, '--url', line.url])
        await line.muted()
        run.child.kill('SIGKILL')
        await run.ended
      }
      line.muteAfter(Number.POSITIVE_INFINITY)
      const last = await shell.media('upload', ...names, '--url', line.url)
      assert.equal(last.code, 0, last.err)
      assert.ok((last.out.match(/uploaded before/g)?.length ?? 0) >= 4, last.out)
    } finally {
      await line.close()
    }
    assert.equal(await countOf('killed-'), 12)
  })

  test('media removed meanwhile are uploaded again', async () => {
    const photo = await (await makeSample('photo.jpg')).bytes()
    await writeFile(join(shell.folder, 'removed.jpg'), photo)
    await writeFile(join(shell.folder, 'removed.txt'), 'no media')
    const first = valuesOf(await shell.media('upload', 'removed.jpg', 'removed.txt', '--json'))
    const { media_id } = first.find(({ status }) => status === 'uploaded') ?? assert.fail('nothing was uploaded')
    await shell.media('remove', media_id, '--yes')
    const again = valuesOf(await shell.media('upload', 'removed.jpg', 'removed.txt', '--json'))
    assert.equal(again.filter(({ resumed }) => resumed).length, 0)
    assert.equal(await countOf('removed'), 1)
  })

  test('at a terminal there are bars, and they go away', async () => {
    const film = join(shell.folder, 'film.mp4')
    const bytes = await (await makeSample('clip.mp4')).bytes()
    await writeFile(film, Buffer.concat([bytes, Buffer.alloc(120 * 2 ** 20)]))
    const typed = `stty cols 100 rows 30; exec ${process.execPath} ${launcher} upload film.mp4`
    const env = { PATH: process.env['PATH'], HOME: shell.folder, MEDIA_URL: target.url, TERM: 'xterm' }
    const seen = join(shell.folder, 'seen')
    await promisify(execFile)('script', ['-qec', typed, seen], { cwd: shell.folder, env, timeout: 60_000 })
    const text = await readFile(seen, 'utf8')
    assert.match(text, /film\.mp4 +█+░* +\d+ % {2}[\d.]+ .?B of 126 MB/)
    assert.match(text, /0 of 1 files {2}[\d.]+ .?B of 126 MB/)
    const end = text.slice(text.lastIndexOf('\x1b[J'))
    assert.doesNotMatch(end, /█/)
    assert.match(text, /film\.mp4/)
    assert.ok((await stat(film)).size > 0)
  })
})

/** Hands on every request; from a certain upload on, the service's answers to uploads are lost. */
async function openMuteLine(to: string) {
  let left = Number.POSITIVE_INFINITY
  let lost = 0
  const heard = new EventEmitter()
  const server = createServer((request, reply) => {
    const { method, headers, url: path = '' } = request
    const onward = httpRequest(
      `${to}${path}`,
      { method, headers: { ...headers, host: new URL(to).host } },
      (answer) => {
        if (method === 'POST' && --left < 0) {
          lost++
          return void heard.emit('lost')
        }
        reply.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(reply)
      },
    )
    onward.on('error', () => reply.destroy())
    request.pipe(onward)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    muteAfter: (uploads: number) => {
      left = uploads
      lost = 0
    },
    muted: async () => {
      if (lost === 0) await once(heard, 'lost')
    },
    close: async () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

async function filesBelow(folder: string): Promise<string[]> {
  const all = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  return all.filter((one) => one.isFile()).map(({ name }) => name)
}
