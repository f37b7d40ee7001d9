import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Answer, type Asked, refused, startCloudFront } from '../../engines/cloudfront.ts'
import { codeOf } from '../media/errors.ts'
import { openCdn } from './open.ts'
import { type Cdn, canForget, type Forgetting } from './port.ts'

describe('CloudFront', () => {
  const given = {
    AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'secret',
    // Where everything else is; CloudFront is not.
    AWS_REGION: 'eu-central-1',
  }
  const usual = { ...process.env }
  let server: Awaited<ReturnType<typeof startCloudFront>>
  let cdn: Cdn & Forgetting
  const signal = new AbortController().signal
  const order = { folder: 'm1', reference: 'm1.purge.first', signal }

  before(async () => {
    server = await startCloudFront()
    Object.assign(process.env, given, { AWS_ENDPOINT_URL_CLOUDFRONT: server.url })
    const opened = await openCdn({ driver: 'cloudfront', distributionId: 'E1U5RQF7T870K0' })
    assert.ok(canForget(opened))
    cdn = opened
  })
  after(async () => {
    await cdn.close()
    await server.close()
    process.env = usual
  })

  /** What the server was asked meanwhile. */
  async function during(run: () => Promise<void>): Promise<Asked[]> {
    server.asked.length = 0
    await run()
    return [...server.asked]
  }

  test('is asked for one invalidation, as its API says', async () => {
    const [asked, ...more] = await during(() => cdn.forget(order))
    assert.equal(more.length, 0)
    assert.equal(asked?.line, 'POST /2020-05-31/distribution/E1U5RQF7T870K0/invalidation')
    assert.match(asked.body, /<InvalidationBatch xmlns="http:\/\/cloudfront\.amazonaws\.com\/doc\/2020-05-31\/">/)
    assert.match(asked.body, /<Paths><Quantity>1<\/Quantity><Items><Path>\/m1\/\*<\/Path><\/Items><\/Paths>/)
    assert.match(asked.body, /<CallerReference>m1\.purge\.first<\/CallerReference>/)
    assert.equal(asked.headers['content-type'], 'application/xml')
    assert.match(
      String(asked.headers.authorization),
      /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/us-east-1\/cloudfront\/aws4_request, SignedHeaders=/,
    )
  })

  test('the same order is the same request, so that it is done once', async () => {
    const [first] = await during(() => cdn.forget(order))
    const [second] = await during(() => cdn.forget(order))
    assert.equal(first?.body, second?.body)
  })

  test('what it cannot take now is told apart from what fails', async () => {
    const cases: [Answer[], string, RegExp][] = [
      [
        [refused(400, 'TooManyInvalidationsInProgress', 'Processing your request will cause you to exceed')],
        'slow_down',
        /in E1U5RQF7T870K0 .*TooManyInvalidationsInProgress/,
      ],
      [Array(4).fill(refused(400, 'Throttling', 'Rate exceeded')), 'slow_down', /Rate exceeded/],
      [[refused(404, 'NoSuchDistribution', 'does not exist')], 'unavailable', /CDN_DISTRIBUTION_ID/],
      [[refused(403, 'AccessDenied', 'not authorized')], 'unavailable', /cloudfront:CreateInvalidation/],
      [Array(4).fill(refused(503, 'ServiceUnavailable', 'try later')), 'unavailable', /ServiceUnavailable/],
    ]
    for (const [answers, code, words] of cases) {
      server.answers.push(...answers)
      await assert.rejects(cdn.forget(order), (error: Error) => {
        assert.deepEqual([codeOf(error), error.message.match(words)?.length], [code, 1], error.message)
        return true
      })
      assert.deepEqual(server.answers, [], 'as often as it was answered')
    }
  })

  test('a moment of trouble is waited out', async () => {
    server.answers.push(refused(500, 'InternalError', 'oops'), [503, 'no XML at all'])
    const asked = await during(() => cdn.forget(order))
    assert.equal(asked.length, 3)
    assert.equal(new Set(asked.map(({ body }) => body)).size, 1)
  })

  test('is left when the work is to end', async () => {
    const ending = new AbortController()
    ending.abort(new Error('the lease is lost'))
    const asked = await during(async () => {
      await assert.rejects(cdn.forget({ ...order, signal: ending.signal }), /the lease is lost/)
    })
    assert.equal(asked.length, 0)
  })
})

test('the embedded edge has nothing to be told', async () => {
  const cdn = await openCdn({ driver: 'edge' })
  assert.equal(canForget(cdn), false)
  await cdn.close()
})

test('CloudFront without a distribution is refused', async () => {
  await assert.rejects(openCdn({ driver: 'cloudfront' }), /CDN_DISTRIBUTION_ID/)
})
