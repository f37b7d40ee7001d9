import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import { SignJWT } from 'jose'
import { openJudge } from '../judge.ts'
import { formOf, makeSample } from '../samples.ts'
import { startTarget } from '../target.ts'

/** What settings change, on targets of this suite's own. */

const run = promisify(execFile)
const secret = 'thirty-two bytes or more, they say'
const tokenOf = async (sub: string) =>
  `Bearer ${await new SignJWT({ sub }).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(secret))}`

describe('settings', () => {
  test('an open address without identity does not start, and says what to set', async () => {
    await assert.rejects(startTarget({ env: { HOST: '0.0.0.0' } }), /AUTH_JWT_SECRET.*AUTH_API_KEYS_FILE/s)
  })

  test('a wrong value names its variable and never a secret', async () => {
    await assert.rejects(startTarget({ env: { PORT: 'eighty' } }), /PORT takes/)
    await assert.rejects(
      startTarget({ env: { AUTH_JWT_SECRET: 'tooshortsecret' } }),
      (error: Error) => /AUTH_JWT_SECRET takes/.test(error.message) && !error.message.includes('tooshortsecret'),
    )
  })

  test('what only shows when it is used names its variable too, in one line', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'wrong-'))
    const target = await startTarget()
    try {
      const file = join(folder, 'file')
      await writeFile(file, 'no PEM, no folder')
      const cases: [Record<string, string>, RegExp][] = [
        [{ PORT: new URL(target.url).port }, /PORT \d+ is taken/],
        [{ HOST: '203.0.113.9', AUTH_JWT_SECRET: secret }, /HOST is "203.0.113.9"/],
        [{ DATA_DIR: file }, /DATA_DIR is .*no folder/],
        [{ TLS_CERT_FILE: file, TLS_KEY_FILE: file }, /TLS_CERT_FILE .* and TLS_KEY_FILE .* PEM/],
        [{ TRUST_PROXY: '10.0.0.0/99' }, /TRUST_PROXY takes/],
        [
          { OBJECTS_TEMP_BUCKET: 'same', OBJECTS_PROCESSED_BUCKET: 'same' },
          /OBJECTS_TEMP_BUCKET and OBJECTS_PROCESSED_BUCKET are both/,
        ],
      ]
      for (const [env, said] of cases) {
        await assert.rejects(startTarget({ env }), (error: Error) => {
          const [first, ...lines] = error.message.trimEnd().split('\n')
          assert.match(first ?? '', /ended with 1:/)
          assert.equal(lines.length, 1, error.message)
          assert.match(lines[0] ?? '', said)
          return true
        })
      }
      await assert.rejects(startTarget({ role: 'edge', env: { PORT: new URL(target.url).port } }), /PORT \d+ is taken/)
    } finally {
      await target.stop()
      await rm(folder, { recursive: true, force: true })
    }
  })

  test('with identity each has their own media', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'keys-'))
    const keys = join(folder, 'keys')
    await writeFile(keys, `${createHash('sha256').update('key-of-bob').digest('hex')} bob\n`)
    const target = await startTarget({ env: { AUTH_JWT_SECRET: secret, AUTH_API_KEYS_FILE: keys, HOST: '0.0.0.0' } })
    try {
      const url = `http://127.0.0.1:${new URL(target.url).port}`
      const [nobody, ann, bob] = await Promise.all([
        openJudge(url),
        openJudge(url, { authorization: await tokenOf('ann') }),
        openJudge(url, { authorization: 'Bearer key-of-bob' }),
      ])
      const body = () => formOf({ title: 'A', file: photo })
      const photo = await makeSample('photo.jpg')
      assert.equal((await nobody.ask('POST', '/api/media/upload', { body: body() })).status, 401)
      const { json } = await ann.ask('POST', '/api/media/upload', { body: body() })
      assert.equal(json.user_id, 'ann')
      for (const path of ['', '/events']) {
        assert.equal((await bob.ask('GET', `/api/media/${json.media_id}${path}`)).status, 404)
        assert.equal((await nobody.ask('GET', `/api/media/${json.media_id}${path}`)).status, 401)
      }
      assert.equal((await bob.ask('GET', `/api/media/download/${json.media_id}`)).status, 404)
      assert.equal((await bob.ask('DELETE', `/api/media/${json.media_id}`)).status, 404)
      assert.deepEqual((await bob.ask('GET', '/api/media')).json.items, [])
      assert.equal((await ann.ask('GET', '/api/media')).json.items.length, 1)
      const { text } = await ann.ask('GET', `/api/media/${json.media_id}/events`)
      assert.match(text, /"status":"processed"/)
      const told = await ann.ask('GET', `/api/media/download/${json.media_id}`, {
        headers: { accept: 'application/json' },
      })
      // The signature is the credential: no token needed.
      assert.equal((await fetch(told.json.url)).status, 200)
      assert.doesNotMatch(target.said(), /key-of-bob|Signature=|thirty-two/)
    } finally {
      await target.stop()
      await rm(folder, { recursive: true, force: true })
    }
  })

  test('HTTPS from the API to the file, by HTTP/1.1 and 2', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tls-'))
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
    const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
    await run('openssl', [...request, ...names, '-keyout', key, '-out', cert])
    const target = await startTarget({ env: { TLS_CERT_FILE: cert, TLS_KEY_FILE: key } })
    try {
      assert.match(target.url, /^https:/)
      const photo = join(folder, 'photo.jpg')
      await writeFile(photo, await (await makeSample('photo.jpg')).bytes())
      for (const version of ['--http1.1', '--http2']) {
        const curl = async (...args: string[]) =>
          (await run('curl', ['-sSf', version, '--cacert', cert, '--max-time', '60', ...args])).stdout
        const media = JSON.parse(await curl('-F', 'title=A', '-F', `file=@${photo}`, `${target.url}/api/media/upload`))
        assert.match(media.media_url, /^https:/)
        assert.match(await curl('-N', `${target.url}/api/media/${media.media_id}/events`), /"status":"processed"/)
        const seen = await curl('-L', '-o', join(folder, 'out'), '-w', '%{http_code} %{url_effective}', media.media_url)
        assert.match(seen, /^200 https:.*\/cdn\/.*Signature=/)
      }
    } finally {
      await target.stop()
      await rm(folder, { recursive: true, force: true })
    }
  })

  test('SIGTERM ends it cleanly with a stream open, and the next start goes on', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'target-'))
    try {
      const first = await startTarget({ dataDir })
      const judge = await openJudge(first.url)
      const file = await makeSample('clip.mp4')
      const { json } = await judge.ask('POST', '/api/media/upload', { body: formOf({ title: 'A', file }) })
      const stream = await fetch(`${first.url}/api/media/${json.media_id}/events`)
      assert.equal(stream.status, 200)
      assert.equal(await first.stop(), 0)
      await stream.text()
      const second = await startTarget({ dataDir })
      const again = await openJudge(second.url)
      const { text } = await again.ask('GET', `/api/media/${json.media_id}/events`)
      assert.match(text, /"status":"processed"/)
      assert.equal(await second.stop(), 0)
    } finally {
      await rm(dataDir, { recursive: true, force: true })
    }
  })
})
