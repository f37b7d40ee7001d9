import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** The keys of signed addresses. */
export interface DeliveryKeys {
  /** What new addresses are signed with; null where only public keys are configured. */
  signing: { keyPairId: string; privateKey: KeyObject } | null
  /** By key pair id: whose signatures are accepted. */
  publicKeys: ReadonlyMap<string, KeyObject>
}

export interface KeyOptions {
  /** `{DATA_DIR}/keys`: where a pair is made when no key is configured. */
  folder: string
  /** `CDN_PRIVATE_KEY_FILE` */
  privateKeyFile?: string | undefined
  /** `CDN_PUBLIC_KEY_FILES`: each `path` or `key-pair-id=path`; or the PEM itself in the path's place. */
  publicKeyFiles?: readonly string[]
  /** `CDN_KEY_PAIR_ID` */
  keyPairId?: string | undefined
  /** Unguessable bytes, for names of unfinished files. */
  secret: (bytes: number) => Buffer
}

/**
 * Reads the configured keys; makes a pair only when none is configured: ECDSA P-256, in `cdn-private.pem` (mode 0600)
 * and `cdn-public.pem`.
 * @throws Error naming the setting and the file, never a key.
 */
export async function openKeys(options: KeyOptions): Promise<DeliveryKeys> {
  const { privateKeyFile, publicKeyFiles = [], keyPairId, folder, secret } = options
  const publicKeys = new Map<string, KeyObject>()
  for (const entry of publicKeyFiles) {
    const [id, key] = await readPublicKey(entry)
    if (publicKeys.has(id)) throw new Error(`CDN_PUBLIC_KEY_FILES names the key pair ${id} twice.`)
    publicKeys.set(id, key)
  }
  if (!privateKeyFile && publicKeyFiles.length > 0) return { signing: null, publicKeys }
  const privateKey = privateKeyFile ? await readPrivateKey(privateKeyFile) : await makeOnce(folder, secret)
  const publicKey = createPublicKey(privateKey)
  const id = checkedId(keyPairId ?? keyPairIdOf(publicKey), 'CDN_KEY_PAIR_ID')
  const known = publicKeys.get(id)
  if (known && !known.equals(publicKey)) {
    throw new Error(`CDN_PUBLIC_KEY_FILES has another key under ${id} than the one addresses are signed with.`)
  }
  return { signing: { keyPairId: id, privateKey }, publicKeys: publicKeys.set(id, publicKey) }
}

/** A name made from the key itself, of the form of CloudFront's: `K` and 13 capitals and digits. */
export function keyPairIdOf(publicKey: KeyObject): string {
  const hash = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest()
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  return `K${[...hash.subarray(0, 13)].map((byte) => letters[byte % 32]).join('')}`
}

/**
 * The content of a secret file, made by `make` when there is none: durable, mode 0600, and the same for all who ask at once.
 * For any secret that the service makes for itself.
 */
export async function secretOnce(path: string, make: () => Buffer, secret: KeyOptions['secret']): Promise<Buffer> {
  const found = await readFile(path).catch(ignoreMissing)
  if (found) return found
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const unfinished = `${path}.${secret(8).toString('hex')}`
  try {
    await writeDurably(unfinished, make(), 0o600)
    // A link, not a rename: who comes second takes what the first has made.
    await link(unfinished, path).catch(ignoreExisting)
  } finally {
    await unlink(unfinished).catch(ignoreMissing)
  }
  await syncFolder(dirname(path))
  await syncFolder(dirname(dirname(path)))
  return await readFile(path)
}

async function makeOnce(folder: string, secret: KeyOptions['secret']): Promise<KeyObject> {
  const path = join(folder, 'cdn-private.pem')
  const makePem = () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    return Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' }))
  }
  const privateKey = parsePrivateKey(await secretOnce(path, makePem, secret), `The key in ${path}`)
  const makePublic = () => Buffer.from(createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }))
  await secretOnce(join(folder, 'cdn-public.pem'), makePublic, secret)
  return privateKey
}

async function readPrivateKey(path: string): Promise<KeyObject> {
  const name = `CDN_PRIVATE_KEY_FILE (${path})`
  return parsePrivateKey(await readKeyFile(path, name), name)
}

async function readPublicKey(entry: string): Promise<[string, KeyObject]> {
  const named = /^([A-Za-z0-9_-]+)=(.+)$/s.exec(entry)
  const given = named?.[2] ?? entry
  const isPem = given.startsWith('-----BEGIN ')
  const name = `CDN_PUBLIC_KEY_FILES (${isPem ? (named?.[1] ?? 'a PEM') : given})`
  const pem = isPem ? given : await readKeyFile(given, name)
  const key = parsed(name, () => {
    // Node would take a private key here as well; it has no business in this setting.
    if (pem.includes('PRIVATE KEY')) throw new Error('a private key')
    return createPublicKey(pem)
  })
  checkKind(key, name)
  return [named?.[1] ?? keyPairIdOf(key), key]
}

async function readKeyFile(path: string, name: string): Promise<Buffer> {
  return await readFile(path).catch((cause) => {
    throw new Error(`${name} cannot be read: ${cause.code ?? cause.message}.`, { cause })
  })
}

function parsePrivateKey(pem: Buffer, name: string): KeyObject {
  const key = parsed(name, () => createPrivateKey(pem))
  checkKind(key, name)
  return key
}

function parsed(name: string, parse: () => KeyObject): KeyObject {
  try {
    return parse()
  } catch (cause) {
    throw new Error(`${name} is not a key in PEM form.`, { cause })
  }
}

function checkKind({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject, name: string): void {
  const { namedCurve, modulusLength = 0 } = asymmetricKeyDetails ?? {}
  if (asymmetricKeyType === 'ec' && namedCurve === 'prime256v1') return
  if (asymmetricKeyType === 'rsa' && modulusLength >= 2048) return
  throw new Error(`${name} is neither an ECDSA P-256 key nor an RSA key of 2048 bits or more.`)
}

/** @throws Error for a key that we take and CloudFront does not */
export function checkCloudFrontKey({ asymmetricKeyDetails }: KeyObject): void {
  const { modulusLength = 2048 } = asymmetricKeyDetails ?? {}
  if (modulusLength === 2048) return
  throw new Error(
    `CDN_PRIVATE_KEY_FILE is an RSA key of ${modulusLength} bits, and CloudFront takes those of 2048 alone; or ECDSA P-256.`,
  )
}

function checkedId(id: string, setting: string): string {
  if (!/^[A-Za-z0-9_-]{1,128}$/.test(id)) throw new Error(`${setting} takes letters, digits, "-" and "_".`)
  return id
}

async function writeDurably(path: string, bytes: Buffer, mode: number): Promise<void> {
  const file = await open(path, 'wx', mode)
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): null {
  if (error.code !== 'ENOENT') throw error
  return null
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error
}
