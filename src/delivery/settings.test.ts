import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSettings } from '../media/setting.ts'
import { deliverySettings } from './settings.ts'

const parse = (env: Record<string, string>) => parseSettings(deliverySettings, env)

test('defaults work on a laptop', () => {
  const { driver, baseUrl, privateKeyFile, publicKeyFiles, hash, urlSeconds } = parse({})
  assert.deepEqual(
    { driver, baseUrl, privateKeyFile },
    { driver: 'edge', baseUrl: undefined, privateKeyFile: undefined },
  )
  assert.deepEqual({ publicKeyFiles, hash, urlSeconds }, { publicKeyFiles: [], hash: 'SHA1', urlSeconds: 3600 })
})

test('the base is taken as browsers write it', () => {
  assert.equal(parse({ CDN_BASE_URL: 'https://cdn.example.com/' }).baseUrl, 'https://cdn.example.com')
  assert.equal(parse({ CDN_BASE_URL: 'http://127.0.0.1:8081/cdn' }).baseUrl, 'http://127.0.0.1:8081/cdn')
  const wrong = [
    'cdn.example.com',
    'ftp://a',
    'https://a/?b',
    'https://a/#b',
    'https://u:p@a',
    'https://A.com',
    'https://a:443',
    'https://a/b c',
  ]
  for (const value of wrong) assert.throws(() => parse({ CDN_BASE_URL: value }), /^Error: CDN_BASE_URL takes/, value)
})

test('wrong values name their variable', () => {
  assert.throws(() => parse({ CDN_KEY_PAIR_ID: 'a b' }), /CDN_KEY_PAIR_ID/)
  assert.throws(() => parse({ CDN_DRIVER: 'akamai' }), /CDN_DRIVER/)
  assert.throws(() => parse({ CDN_URL_SECONDS: '604801' }), /CDN_URL_SECONDS/)
  assert.throws(() => parse({ CDN_DISTRIBUTION_ID: 'E1/../E2' }), /CDN_DISTRIBUTION_ID/)
  assert.equal(parse({ CDN_DISTRIBUTION_ID: 'E1U5RQF7T870K0' }).distributionId, 'E1U5RQF7T870K0')
})
