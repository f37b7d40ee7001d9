import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { ConsoleFiles } from '../http/deps.ts'
import type { Site } from './site.ts'

/** Beside the sources, and in the same place beside what is compiled of them. */
const built = join(import.meta.dirname, '../../console/dist')

/** The console as it was built; undefined where it was not, as in a checkout that nobody has set up. */
export async function findConsole({ config }: Pick<Site, 'config'>): Promise<ConsoleFiles | undefined> {
  const found = await readdir(built, { recursive: true }).catch(() => [])
  const names = new Set(found.map((name) => name.replaceAll('\\', '/')).filter((name) => /\.[a-z]+$/.test(name)))
  if (!names.has('index.html')) return undefined
  const { objects, delivery } = config
  return { folder: built, names, stores: storesOf(objects), cdns: delivery.baseUrl ? [originOf(delivery.baseUrl)] : [] }
}

/** Where presigned addresses of parts lead: a bucket is a name below the endpoint, or a path on it. */
function storesOf({ driver, s3Endpoint, s3PublicEndpoint }: Site['config']['objects']): string[] {
  if (driver !== 's3') return []
  const endpoint = s3PublicEndpoint ?? s3Endpoint
  if (!endpoint) return ['https://*.amazonaws.com']
  const origin = originOf(endpoint)
  return /\/\/(\d+\.){3}\d+(:|$)|\/\/\[/.test(origin) ? [origin] : [origin, origin.replace('://', '://*.')]
}

function originOf(address: string): string {
  return new URL(address).origin
}
