import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { systemChance } from '../media/clock.ts'
import { checkCloudFrontKey, keyPairIdOf, openKeys, secretOnce } from './keys.ts'
import { openSigner, openVerifier } from './signer.ts'

const { secret } = systemChance
const url = 'https://cdn.example.com/a/v1/b.mp4'
const expires = 2_000_000_000

describe('keys', () => {
  let folder = ''
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keys-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })

  async function put(name: string, key: KeyObject): Promise<string> {
    const path = join(folder, name)
    const type = key.type === 'private' ? 'pkcs8' : 'spki'
    await writeFile(path, key.export({ type, format: 'pem' }))
    return path
  }

  function verifies(keys: Awaited<ReturnType<typeof openKeys>>): void {
    assert.ok(keys.signing)
    const signed = openSigner(keys.signing).signUrl(url, { expires })
    assert.equal(openVerifier(keys.publicKeys).read(signed).expires, expires)
  }

  test('a public key can be given as the PEM itself, under the name that CloudFront gave it', async () => {
    const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString()
    const { publicKeys } = await openKeys({ folder, secret, publicKeyFiles: [`K2JCJMDEHXQW5F=${pem}`, pem] })
    assert.deepEqual([...publicKeys.keys()], ['K2JCJMDEHXQW5F', keyPairIdOf(rsa.publicKey)])
    for (const key of publicKeys.values()) assert.ok(key.equals(rsa.publicKey))
    const privatePem = rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    for (const wrong of [`K2=${privatePem}`, privatePem, 'K2=-----BEGIN PUBLIC KEY-----\nsecret\n']) {
      await assert.rejects(openKeys({ folder, secret, publicKeyFiles: [wrong] }), (error: Error) => {
        assert.match(error.message, /^CDN_PUBLIC_KEY_FILES \((K2|a PEM)\) is not a key in PEM form\.$/)
        return true
      })
    }
  })

  test('CloudFront takes less than we do', () => {
    checkCloudFrontKey(rsa.privateKey)
    checkCloudFrontKey(ec.privateKey)
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 3072 })
    assert.throws(() => checkCloudFrontKey(privateKey), /CDN_PRIVATE_KEY_FILE.*3072.*2048/)
  })

  test('the first start makes a pair, later ones read it', async () => {
    const made = join(folder, 'data', 'keys')
    const first = await openKeys({ folder: made, secret })
    verifies(first)
    assert.deepEqual((await readdir(made)).sort(), ['cdn-private.pem', 'cdn-public.pem'])
    assert.equal((await stat(join(made, 'cdn-private.pem'))).mode & 0o777, 0o600)
    assert.equal((await stat(made)).mode & 0o777, 0o700)
    const second = await openKeys({ folder: made, secret })
    assert.equal(second.signing?.keyPairId, first.signing?.keyPairId)
    assert.match(second.signing?.keyPairId ?? '', /^K[A-Z2-7]{13}$/)
    const signed = openSigner(first.signing ?? assert.fail()).signUrl(url, { expires })
    assert.equal(openVerifier(second.publicKeys).read(signed).expires, expires)
    // Another process needs the public half only.
    const edge = await openKeys({
      folder: join(folder, 'none'),
      secret,
      publicKeyFiles: [join(made, 'cdn-public.pem')],
    })
    assert.equal(edge.signing, null)
    assert.equal(openVerifier(edge.publicKeys).read(signed).expires, expires)
    assert.ok(!(await readdir(folder)).includes('none'))
  })

  test('many first starts at once agree', async () => {
    const made = join(folder, 'together')
    const all = await Promise.all(Array.from({ length: 20 }, () => openKeys({ folder: made, secret })))
    assert.equal(new Set(all.map((keys) => keys.signing?.keyPairId)).size, 1)
    assert.equal((await readdir(made)).length, 2)
  })

  test('configured keys are used, and nothing is made', async () => {
    for (const [name, pair] of Object.entries({ ec, rsa })) {
      const privateKeyFile = await put(`${name}.pem`, pair.privateKey)
      const keys = await openKeys({ folder: join(folder, 'none'), secret, privateKeyFile, keyPairId: 'K1' })
      assert.equal(keys.signing?.keyPairId, 'K1')
      verifies(keys)
      const derived = await openKeys({ folder: join(folder, 'none'), secret, privateKeyFile })
      assert.equal(derived.signing?.keyPairId, keyPairIdOf(pair.publicKey))
    }
    assert.ok(!(await readdir(folder)).includes('none'))
  })

  test('further public keys, with and without a name', async () => {
    const privateKeyFile = await put('signing.pem', ec.privateKey)
    const path = await put('rsa-public.pem', rsa.publicKey)
    const given = { folder, secret, privateKeyFile, keyPairId: 'KNEW' }
    const named = await openKeys({ ...given, publicKeyFiles: [`KOLD=${path}`] })
    assert.deepEqual([...named.publicKeys.keys()].sort(), ['KNEW', 'KOLD'])
    const unnamed = await openKeys({ ...given, publicKeyFiles: [path] })
    assert.deepEqual([...unnamed.publicKeys.keys()].sort(), ['KNEW', keyPairIdOf(rsa.publicKey)].sort())
  })

  test('what cannot be is said by the name of its setting, and shows no key', async () => {
    const good = await put('good.pem', ec.privateKey)
    const publicPem = await put('public.pem', rsa.publicKey)
    const weak = await put('weak.pem', generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey)
    const curve = await put('curve.pem', generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey)
    const junk = join(folder, 'junk.pem')
    await writeFile(junk, 'HIDDEN')
    const wrong: [Partial<Parameters<typeof openKeys>[0]>, RegExp][] = [
      [{ privateKeyFile: join(folder, 'absent.pem') }, /^CDN_PRIVATE_KEY_FILE .*ENOENT/],
      [{ privateKeyFile: junk }, /^CDN_PRIVATE_KEY_FILE .*PEM/],
      [{ privateKeyFile: publicPem }, /^CDN_PRIVATE_KEY_FILE .*PEM/],
      [{ privateKeyFile: weak }, /^CDN_PRIVATE_KEY_FILE .*2048/],
      [{ privateKeyFile: curve }, /^CDN_PRIVATE_KEY_FILE .*P-256/],
      [{ privateKeyFile: good, keyPairId: 'a&b' }, /^CDN_KEY_PAIR_ID/],
      [{ publicKeyFiles: [junk] }, /^CDN_PUBLIC_KEY_FILES .*PEM/],
      [{ publicKeyFiles: [good] }, /^CDN_PUBLIC_KEY_FILES .*PEM/],
      [{ publicKeyFiles: [publicPem, publicPem] }, /^CDN_PUBLIC_KEY_FILES .*twice/],
      [{ privateKeyFile: good, keyPairId: 'K1', publicKeyFiles: [`K1=${publicPem}`] }, /another key under K1/],
    ]
    for (const [given, message] of wrong) {
      await assert.rejects(openKeys({ folder: join(folder, 'none'), secret, ...given }), (error: Error) => {
        assert.match(error.message, message)
        assert.doesNotMatch(error.message, /HIDDEN|PRIVATE KEY/)
        return true
      })
    }
  })

  test('other secrets are made once as well', async () => {
    const path = join(folder, 'tickets.key')
    const make = () => secret(32)
    const [first, second] = await Promise.all([secretOnce(path, make, secret), secretOnce(path, make, secret)])
    assert.equal(first.length, 32)
    assert.deepEqual(first, second)
    assert.deepEqual(await readFile(path), first)
  })
})
