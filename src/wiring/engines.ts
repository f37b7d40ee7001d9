import type { Config } from '../config.ts'
import type { Role, Site } from './site.ts'

/** The engine behind each room. */
export function driversOf({ metadata, queue, objects, delivery }: Config) {
  return { metadata: metadata.driver, queue: queue.driver, objects: objects.driver, cdn: delivery.driver }
}

/** The same, and what keeps tools apart where some are run: for readiness. */
export async function describeEngines({ config, role, sandbox }: Site): Promise<Record<string, string>> {
  return { ...driversOf(config), ...(doesJobs(role) ? { sandbox: (await sandbox()).kind } : {}) }
}

export function doesJobs(role: Role): boolean {
  return role === 'all' || role === 'worker'
}

/** The settings that name an engine which lives in one process. */
function embeddedSettings({ metadata, queue, objects }: Config): string[] {
  const names: string[] = []
  if (metadata.driver === 'embedded') names.push('METADATA_DRIVER')
  if (queue.driver === 'embedded') names.push('QUEUE_DRIVER')
  if (objects.driver === 'filesystem') names.push('OBJECTS_DRIVER')
  return names
}

/** Whether records and objects are such that other processes may work on them too. */
export function isShared({ metadata, objects }: Config): boolean {
  return metadata.driver !== 'embedded' || objects.driver !== 'filesystem'
}

/**
 * Embedded engines live in one process: a worker beside it would see nothing of them.
 * @throws Error naming the settings to change
 */
export function refuseLonelyWorker(config: Config): void {
  const embedded = embeddedSettings(config)
  if (embedded.length === 0) return
  throw new Error(
    `A worker of its own needs engines that several processes share: set ${embedded.join(', ')}. ` +
      'On the embedded engines `npm start` runs the worker beside the API.',
  )
}

/**
 * What several processes sign and verify with, each must be given: one made here would be unknown to the others.
 * @throws Error saying how to make what is missing
 */
export function requireSharedKeys(config: Config): void {
  if (!isShared(config)) return
  const missing: string[] = []
  if (!config.http.uploadKeyFile) {
    missing.push('AUTH_UPLOAD_KEY_FILE is not set; to make one: openssl rand -out upload-tokens.key 32')
  }
  if (!config.delivery.privateKeyFile && config.delivery.publicKeyFiles.length === 0) missing.push(noDeliveryKey)
  if (missing.length > 0) throw new Error(`${sharedWords}\n${missing.join('\n')}`)
}

/** @throws Error as `requireSharedKeys`, for a process that only verifies */
export function requireDeliveryKeys({ objects, delivery }: Config): void {
  if (objects.driver === 'filesystem' || delivery.privateKeyFile || delivery.publicKeyFiles.length > 0) return
  throw new Error(
    `${sharedWords}\nCDN_PUBLIC_KEY_FILES is not set; to make one of the API's key: openssl pkey -in cdn-private.pem -pubout -out cdn-public.pem`,
  )
}

/**
 * With CloudFront the API must know what to sign for, and who does jobs which distribution to tell what was deleted.
 * @throws Error naming each setting that is missing or does not go with it
 */
export function requireDistribution(role: Role, { delivery }: Config): void {
  if (role === 'edge') return
  const { driver, baseUrl, distributionId, keyPairId, privateKeyFile } = delivery
  if (driver !== 'cloudfront') {
    if (distributionId === undefined) return
    throw new Error('CDN_DISTRIBUTION_ID names a distribution of CloudFront: set CDN_DRIVER=cloudfront, or leave it.')
  }
  const wrong: string[] = []
  if (role !== 'worker') {
    if (!isPlainHttps(baseUrl)) {
      const is = baseUrl === undefined ? 'not set' : `${baseUrl}, which is no https:// address without a path`
      wrong.push(`CDN_BASE_URL is ${is}: it takes the distribution's, such as https://d111111abcdef8.cloudfront.net`)
    }
    if (!keyPairId) wrong.push('CDN_KEY_PAIR_ID is not set: it takes the ID that CloudFront gave our public key')
    if (!privateKeyFile) wrong.push(noDeliveryKey)
  }
  if (doesJobs(role) && !distributionId) {
    wrong.push("CDN_DISTRIBUTION_ID is not set: it takes the distribution's ID, such as E1U5RQF7T870K0")
  }
  if (wrong.length > 0) throw new Error(`${distributionWords}\n${wrong.join('\n')}`)
}

/** A bucket lies at the top of its distribution. */
function isPlainHttps(url: string | undefined): boolean {
  const { protocol, pathname } = new URL(url ?? 'none:')
  return protocol === 'https:' && pathname === '/'
}

const distributionWords =
  'CDN_DRIVER is cloudfront, which needs to be told of a distribution; infra/README.md makes one:'
const sharedWords = 'On engines that several processes share, keys are given to each of them and never made at start:'
const noDeliveryKey =
  'CDN_PRIVATE_KEY_FILE is not set; to make one: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out cdn-private.pem'
