import type { Config } from '../config.ts'
import type { Site } from './site.ts'

/** The engine behind each room. */
export function driversOf({ metadata, queue, objects }: Config) {
  return { metadata: metadata.driver, queue: queue.driver, objects: objects.driver }
}

/** The same, and what keeps tools apart where some are run: for readiness. */
export async function describeEngines({ config, role, sandbox }: Site): Promise<Record<string, string>> {
  const works = role === 'all' || role === 'worker'
  return { ...driversOf(config), ...(works ? { sandbox: (await sandbox()).kind } : {}) }
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

const sharedWords = 'On engines that several processes share, keys are given to each of them and never made at start:'
const noDeliveryKey =
  'CDN_PRIVATE_KEY_FILE is not set; to make one: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out cdn-private.pem'
