import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { newRecord } from '../media/record.ts'
import type { FormDoor } from '../uploads/form.ts'
import { openKit, until } from './kit.test.ts'
import { readTls } from './tls.ts'

const run = promisify(execFile)
const mebi = 1024 * 1024

const countingDoor: FormDoor = {
  async receive({ body }) {
    let file_size = 0
    for await (const chunk of body) file_size += chunk.length
    const media_id = '550e8400-e29b-41d4-a716-446655440000'
    const upload_time = '2026-01-01T00:00:00.000Z'
    const given = {
      media_id,
      user_id: 'local',
      title: 'A',
      media_type: 'video',
      upload_time,
      status: 'uploaded',
    } as const
    return newRecord({ ...given, file_size })
  },
}

describe('HTTPS', () => {
  let folder: string
  let env: Record<string, string>

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tls-'))
    env = { TLS_CERT_FILE: join(folder, 'cert.pem'), TLS_KEY_FILE: join(folder, 'key.pem') }
    const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
    const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
    await run('openssl', [...request, ...names, '-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')])
  })
  after(async () => await rm(folder, { recursive: true, force: true }))

  const certificate = () => join(folder, 'cert.pem')
  const curl = async (...args: string[]) =>
    (await run('curl', ['-sS', '--max-time', '30', '--cacert', certificate(), ...args])).stdout

  for (const version of ['1.1', '2']) {
    test(`records, refusals and forms over HTTP/${version}`, async () => {
      await using kit = await openKit({ env, formDoor: countingDoor, formLimit: 8 * mebi })
      const url = await kit.listen()
      const media_id = await kit.addMedia()
      const ask = async (...args: string[]) =>
        await curl(`--http${version}`, '-w', '\n%{http_version} %{http_code}', ...args)
      const record = await ask(`${url}/api/media/${media_id}`)
      assert.match(record, new RegExp(`\\n${version} 200$`))
      assert.equal(JSON.parse(record.split('\n')[0] ?? '').media_url, `${url}/api/media/download/${media_id}`)
      assert.match(await ask(`${url}/nothing`), /"code":"not_found"[^]* 404$/)
      assert.match(await ask('-H', 'Host: evil.example', `${url}/api/media`), /"code":"foreign_host"[^]* 403$/)
      assert.match(await ask('-H', 'Origin: https://evil.example', `${url}/api/media`), /foreign_origin/)
      assert.match(await ask('-H', `Origin: ${url}`, `${url}/api/media`), / 200$/)

      await run('truncate', ['-s', '5000000', join(folder, 'small')])
      await run('truncate', ['-s', '20000000', join(folder, 'large')])
      const form = (name: string) => ['-F', 'title=A', '-F', `file=@${join(folder, name)}`, `${url}/api/media/upload`]
      const taken = await ask(...form('small'))
      assert.match(taken, new RegExp(`\\n${version} 201$`))
      assert.ok(JSON.parse(taken.split('\n')[0] ?? '').file_size > 5_000_000)
      assert.match(await ask('-H', 'Expect: 100-continue', ...form('small')), / 201$/)
      assert.match(await ask(...form('large')), /"code":"too_large"[^]* 413$/)
      assert.match(await ask('-H', 'Expect: 100-continue', ...form('large')), /"code":"too_large"[^]* 413$/)
      assert.match(await ask(`${url}/healthz`), / 200$/)
    })

    test(`events over HTTP/${version}`, async () => {
      await using kit = await openKit({ env })
      const url = await kit.listen()
      const media_id = await kit.addMedia({ status: 'processed' })
      const events = await curl(`--http${version}`, '-N', `${url}/api/media/${media_id}/events`)
      assert.match(events, /^retry: 1000\n\nevent: media\nid: [^]*\ndata: \{[^]*\n\n$/)
    })

    test(`the stop over HTTP/${version} does not wait for streams`, async () => {
      await using kit = await openKit({ env })
      const url = await kit.listen()
      const media_id = await kit.addMedia()
      const stream = spawn('curl', [
        '-sSN',
        '--max-time',
        '30',
        `--http${version}`,
        '--cacert',
        certificate(),
        `${url}/api/media/${media_id}/events`,
      ])
      const ended = once(stream, 'close')
      let heard = ''
      stream.stdout.on('data', (chunk) => {
        heard += chunk
      })
      await until(() => /event: media/.test(heard) || stream.exitCode !== null)
      await kit.app.close()
      assert.deepEqual(await ended, [0, null], heard)
    })
  }

  test('plain HTTP is not spoken there', async () => {
    await using kit = await openKit({ env })
    const url = await kit.listen()
    await assert.rejects(fetch(url.replace('https', 'http')))
  })

  test('one file without the other, or a missing one, stops the start', async () => {
    const { TLS_CERT_FILE: tlsCertFile, TLS_KEY_FILE: tlsKeyFile } = env
    assert.ok(tlsCertFile && tlsKeyFile)
    await assert.rejects(readTls({ tlsCertFile, tlsKeyFile: undefined }), /TLS_KEY_FILE/)
    await assert.rejects(readTls({ tlsCertFile: '/nonexistent', tlsKeyFile }), /TLS_CERT_FILE.*ENOENT.*\/nonexistent/)
  })
})
