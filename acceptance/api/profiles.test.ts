import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import sharp from 'sharp'
import { startTarget, type Target } from '../target.ts'

interface Media {
  media_id: string
  status: string
  profile: string | null
  renditions: { name: string }[]
  code: string
  detail: string
}

/** An operator's profiles, named at each door. */
describe('profiles', { timeout: 300_000 }, () => {
  let target: Target
  let folder: string
  let photo: Buffer<ArrayBuffer>
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'profiles-'))
    const file = join(folder, 'profiles.json')
    await writeFile(file, JSON.stringify({ small: { image: { widths: [32], avif: null } } }))
    photo = Buffer.from(
      await sharp({ create: { width: 64, height: 64, channels: 3, background: '#246' } })
        .png()
        .toBuffer(),
    )
    target = await startTarget({ env: { PROFILES_FILE: file } })
  })
  after(async () => {
    await target.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const json = { 'content-type': 'application/json' }
  const ask = async (
    method: string,
    path: string,
    given: { headers?: Record<string, string>; body?: BodyInit } = {},
  ) => {
    const reply = await fetch(path.startsWith('http') ? path : `${target.url}${path}`, { method, ...given })
    const text = await reply.text()
    return { status: reply.status, headers: reply.headers, body: (text === '' ? {} : JSON.parse(text)) as Media }
  }
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  const media = async (media_id: string) => (await ask('GET', `/api/media/${media_id}`)).body

  function formOf(profile: string): FormData {
    const form = new FormData()
    form.set('title', 'A photo')
    form.set('profile', profile)
    form.set('file', new Blob([photo]), 'photo.png')
    return form
  }

  /** What a door answers to a profile: its record, or its refusal. */
  const doors: Record<string, (profile: string) => Promise<{ status: number; body: Media }>> = {
    form: async (profile) => await ask('POST', '/api/media/upload', { body: formOf(profile) }),
    raw: async (profile) => await ask('PUT', `/api/media/upload?title=A&profile=${profile}`, { body: photo }),
    direct: async (profile) => {
      const words = { title: 'A', filename: 'a.png', content_type: 'image/png', file_size: photo.length, profile }
      const { status, body } = await ask('POST', '/api/media/upload/init', {
        headers: json,
        body: JSON.stringify(words),
      })
      return { status, body: status === 201 ? await media(body.media_id) : body }
    },
    tus: async (profile) => {
      const said = `title ${base64('A')},profile ${base64(profile)}`
      const headers = { 'tus-resumable': '1.0.0', 'upload-length': String(photo.length), 'upload-metadata': said }
      const { status, headers: told, body } = await ask('POST', '/api/media/upload/tus', { headers })
      return { status, body: status === 201 ? await media(told.get('media-id') ?? '') : body }
    },
    'resumable uploads': async (profile) => {
      const headers = { 'upload-draft-interop-version': '6', 'upload-complete': '?1' }
      return await ask('POST', `/api/media/upload/tus?title=A&profile=${profile}`, { headers, body: photo })
    },
    'the companion, in parts': async (profile) => {
      const said = { filename: 'a.png', type: 'image/png', metadata: { profile } }
      const { status, body } = await ask('POST', '/s3/multipart', { headers: json, body: JSON.stringify(said) })
      const { key } = body as unknown as { key: string }
      return { status: status === 200 ? 201 : status, body: status === 200 ? await media(key) : body }
    },
    'the companion, by form': async (profile) => {
      const { status, body } = await ask('GET', `/s3/params?filename=a.png&metadata[profile]=${profile}`)
      if (status !== 200) return { status, body }
      const { url, fields } = body as unknown as { url: string; fields: Record<string, string> }
      const form = new FormData()
      for (const [name, value] of Object.entries(fields)) form.set(name, value)
      form.set('file', new Blob([photo]), 'a.png')
      return await ask('POST', url, { body: form })
    },
  }

  for (const [name, send] of Object.entries(doors)) {
    test(`${name}: one that is offered is kept, any other refused`, async () => {
      const { status, body } = await send('small')
      assert.deepEqual([status, body.profile], [201, 'small'], JSON.stringify(body))
      assert.equal((await send('default')).body.profile, null)
      const refused = await send('large')
      assert.deepEqual([refused.status, refused.body.code], [422, 'unknown_profile'], JSON.stringify(refused.body))
      assert.equal(refused.body.detail, 'There is no such profile. There are: default, small.')
    })
  }

  test('what is made is what it says', async () => {
    const { body } = (await doors.raw?.('small')) ?? assert.fail()
    let record = body
    while (record.status !== 'processed' && record.status !== 'failed') {
      await sleep(50)
      record = await media(body.media_id)
    }
    const names = record.renditions.map(({ name }) => name).toSorted()
    assert.deepEqual(names, ['jpeg-32', 'master', 'thumbnail', 'webp-32'])
  })

  test('under a key another profile is another request', async () => {
    const headers = { 'idempotency-key': 'one-photo' }
    assert.equal((await ask('PUT', '/api/media/upload?title=A&profile=small', { headers, body: photo })).status, 201)
    const other = await ask('PUT', '/api/media/upload?title=A', { headers, body: photo })
    assert.deepEqual([other.status, other.body.code], [422, 'idempotency_mismatch'])
  })
})
