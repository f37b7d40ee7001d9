import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { checkSettings } from './settings.ts'
import { example } from './testing.ts'

const wrong = (changed: object) => {
  try {
    checkSettings({ ...example, ...changed })
    return ''
  } catch (error) {
    return (error as Error).message
  }
}
const publicPem = (type: 'rsa' | 'ec', options: object) =>
  generateKeyPairSync(type as 'rsa', options as { modulusLength: number })
    .publicKey.export({ type: 'spki', format: 'pem' })
    .toString()

describe('settings of a deployment', () => {
  test('the example is whole', () => assert.equal(wrong({}), ''))

  test('what is missing is said all at once', () => {
    const said = wrong({ api: {}, identity: {}, cdn: { publicKeys: [] } })
    for (const field of [
      'api.domain',
      'api.certificateArn',
      'identity.jwksUrl',
      'cdn.publicKeys',
      'privateKeySecretArn',
    ]) {
      assert.ok(said.includes(field), field)
    }
  })

  test('a key that CloudFront would refuse, or a private one, is refused here', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const secret = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    for (const pem of [
      publicPem('rsa', { modulusLength: 4096 }),
      publicPem('ec', { namedCurve: 'P-384' }),
      secret,
      'x',
    ]) {
      const said = wrong({ cdn: { ...example.cdn, publicKeys: [pem] } })
      assert.match(said, /cdn\.publicKeys\[0\]/)
      assert.ok(!said.includes(pem))
    }
    for (const pem of [publicPem('rsa', { modulusLength: 2048 }), publicPem('ec', { namedCurve: 'P-256' })]) {
      assert.equal(wrong({ cdn: { ...example.cdn, publicKeys: [pem] } }), '')
    }
  })

  test('CloudFront’s certificate is one of us-east-1', () => {
    const elsewhere = example.api.certificateArn
    assert.match(wrong({ cdn: { ...example.cdn, certificateArn: elsewhere } }), /us-east-1/)
    assert.match(wrong({ cdn: { ...example.cdn, certificateArn: undefined } }), /both or none/)
  })

  test('cookies reach a CDN that shares a domain with the API', () => {
    const { domain, certificateArn, ...cdn } = example.cdn
    for (const given of [
      { ...example.cdn, cookieDomain: 'example.org' },
      { ...example.cdn, cookieDomain: 'media.example.com' },
      { ...example.cdn, cookieDomain: 'ple.com' },
      // CloudFront's own name has nothing in common with ours.
      { ...cdn, cookieDomain: 'example.com' },
    ]) {
      assert.match(wrong({ cdn: given }), /cdn\.cookieDomain/)
    }
  })

  test('Kafka needs a network, and who logs in', () => {
    const said = wrong({ kafka: { brokers: [], sasl: 'scram-sha-512' } })
    for (const field of ['kafka.brokers', 'kafka.username', 'kafka.passwordSecretArn', 'network']) {
      assert.ok(said.includes(field), field)
    }
  })
})

describe('on the command line', () => {
  const npm = (script: string, more: string[] = []) =>
    spawnSync('npm', ['run', '-s', script, '--', ...more], {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      timeout: 120_000,
    })

  test('cdk synth works without a network or an account', () => {
    const out = mkdtempSync(join(tmpdir(), 'media-infra-'))
    try {
      const { status, stderr } = npm('synth', ['--output', out])
      assert.equal(status, 0, stderr)
      assert.ok(readdirSync(out).includes('media-service.template.json'))
    } finally {
      rmSync(out, { recursive: true })
    }
  })

  test('without settings it says how to make them', () => {
    const { status, stderr } = npm('diff')
    assert.notEqual(status, 0)
    assert.match(stderr, /cp example\/settings\.json settings\.json/)
  })

  test('types', () => {
    execFileSync(join(import.meta.dirname, '../node_modules/.bin/tsc'), ['-p', import.meta.dirname], {
      stdio: 'inherit',
    })
  })
})
