import assert from 'node:assert/strict'
import { createPublicKey, createVerify, generateKeyPairSync } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { refused, startCloudFront } from '../../engines/cloudfront.ts'
import { formOf, makeSample } from '../samples.ts'
import { startTarget, type Target } from '../target.ts'

/** A service that leaves delivery to CloudFront, in front of a server that takes invalidations as CloudFront does. */
describe('with CloudFront', () => {
  let folder: string
  let cloudFront: Awaited<ReturnType<typeof startCloudFront>>
  let env: Record<string, string>
  let target: Target

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cloudfront-'))
    cloudFront = await startCloudFront()
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const key = join(folder, 'cdn-private.pem')
    await writeFile(key, privateKey.export({ type: 'pkcs8', format: 'pem' }))
    env = {
      CDN_DRIVER: 'cloudfront',
      CDN_BASE_URL: 'https://d111111abcdef8.cloudfront.net',
      CDN_KEY_PAIR_ID: 'K2JCJMDEHXQW5F',
      CDN_PRIVATE_KEY_FILE: key,
      CDN_DISTRIBUTION_ID: 'E1U5RQF7T870K0',
      AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'secret',
      AWS_ENDPOINT_URL_CLOUDFRONT: cloudFront.url,
      WORKER_LEASE_SECONDS: '3',
    }
    target = await startTarget({ embedded: true, env })
  })
  after(async () => {
    await target?.stop()
    await cloudFront?.close()
    await rm(folder, { recursive: true, force: true })
  })

  async function upload(): Promise<string> {
    const body = formOf({ title: 'A photo', file: await makeSample('photo.jpg') })
    const { media_id }: any = await (await fetch(`${target.url}/api/media/upload`, { method: 'POST', body })).json()
    assert.match(await (await fetch(`${target.url}/api/media/${media_id}/events`)).text(), /"status":"processed"/)
    return media_id
  }

  test('addresses are the distribution’s, signed with its key', async () => {
    const media_id = await upload()
    const reply = await fetch(`${target.url}/api/media/download/${media_id}`, { redirect: 'manual' })
    const url = new URL(reply.headers.get('location') ?? '')
    const resource = `${url.origin}${url.pathname}`
    assert.equal(resource, `${env.CDN_BASE_URL}/${media_id}/v1/jpeg-1600.jpg`)
    assert.equal(url.searchParams.get('Key-Pair-Id'), env.CDN_KEY_PAIR_ID)
    const statement = { Resource: resource, Condition: { DateLessThan: { 'AWS:EpochTime': 0 } } }
    const policy = JSON.stringify({ Statement: [statement] }).replace(':0}', `:${url.searchParams.get('Expires')}}`)
    const signature = (url.searchParams.get('Signature') ?? '').replaceAll('-', '+').replaceAll('~', '/')
    const key = createPublicKey(await readFile(env.CDN_PRIVATE_KEY_FILE ?? ''))
    const isOurs = createVerify('SHA1').update(policy).verify(key, signature.replaceAll('_', '='), 'base64')
    assert.ok(isOurs, policy)
  })

  test('there is no edge beside it, and readiness says who delivers', async () => {
    const reply = await fetch(`${target.url}/cdn/any/v1/720p.mp4?Expires=1&Signature=a&Key-Pair-Id=b`)
    assert.deepEqual([reply.status, ((await reply.json()) as any).code], [404, 'not_found'])
    const ready: any = await (await fetch(`${target.url}/readyz`)).json()
    assert.equal(ready.drivers.cdn, 'cloudfront')
  })

  test('what is deleted is forgotten there, also when there is no room for it at first', async () => {
    const media_id = await upload()
    cloudFront.answers.push(refused(400, 'TooManyInvalidationsInProgress', 'Too many'))
    cloudFront.asked.length = 0
    assert.equal((await fetch(`${target.url}/api/media/${media_id}`, { method: 'DELETE' })).status, 204)
    const references = () => cloudFront.asked.map(({ body }) => /<CallerReference>([^<]+)/.exec(body)?.[1])
    const patience = AbortSignal.timeout(120_000)
    while (references().length < 3) await sleep(50, undefined, { signal: patience })
    const first = `${media_id}.purge.first`
    assert.deepEqual(references(), [first, first, `${media_id}.purge.last`])
    for (const { line, body } of cloudFront.asked) {
      assert.equal(line, 'POST /2020-05-31/distribution/E1U5RQF7T870K0/invalidation')
      assert.ok(body.includes(`<Path>/${media_id}/*</Path>`), body)
    }
  })

  test('what is missing or does not fit is named, all at once', async () => {
    const refusal = async (change: Record<string, string>, role?: string) => {
      let said = ''
      await assert.rejects(
        startTarget({ embedded: true, ...(role && { role }), env: { ...env, ...change } }),
        (error: Error) => {
          said = error.message
          return true
        },
      )
      return said
    }
    const none = { CDN_BASE_URL: '', CDN_KEY_PAIR_ID: '', CDN_PRIVATE_KEY_FILE: '', CDN_DISTRIBUTION_ID: '' }
    const all = await refusal(none)
    for (const name of Object.keys(none)) assert.match(all, new RegExp(`^${name} is not set`, 'm'))
    const serving = await refusal(none, 'serve')
    assert.match(serving, /CDN_BASE_URL/)
    assert.doesNotMatch(serving, /CDN_DISTRIBUTION_ID/)
    const working = await refusal(none, 'worker')
    assert.match(working, /CDN_DISTRIBUTION_ID/)
    assert.doesNotMatch(working, /CDN_BASE_URL|CDN_KEY_PAIR_ID|CDN_PRIVATE_KEY_FILE/)
    assert.match(await refusal({ CDN_BASE_URL: 'http://cdn.example.com' }), /CDN_BASE_URL is http:/)
    assert.match(await refusal({ CDN_BASE_URL: 'https://cdn.example.com/media' }), /CDN_BASE_URL is https:.*path/)
    assert.match(await refusal({ CDN_DRIVER: 'edge' }), /CDN_DISTRIBUTION_ID .*CDN_DRIVER=cloudfront/)
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 3072 })
    const long = join(folder, 'long.pem')
    await writeFile(long, privateKey.export({ type: 'pkcs8', format: 'pem' }))
    assert.match(await refusal({ CDN_PRIVATE_KEY_FILE: long }), /CDN_PRIVATE_KEY_FILE .*3072/)
  })
})
