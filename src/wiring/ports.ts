import { join } from 'node:path'
import { openCdn } from '../cdn/open.ts'
import type { Cdn } from '../cdn/port.ts'
import { secretOnce } from '../delivery/keys.ts'
import { openStore, type Store } from '../embedded/store.ts'
import type { Admission } from '../media/admission.ts'
import { openMetadata } from '../metadata/open.ts'
import type { Metadata } from '../metadata/port.ts'
import { openObjects } from '../objects/open.ts'
import type { ObjectStore } from '../objects/port.ts'
import { openQueue } from '../queue/open.ts'
import type { Queue } from '../queue/port.ts'
import { openAdmission } from '../quotas/admission.ts'
import { doesJobs } from './engines.ts'
import { openScratch } from './scratch.ts'
import { once, type Site } from './site.ts'

export interface Ports {
  metadata: Metadata
  queue: Queue
  objects: ObjectStore
  /** For who does jobs: told what was deleted. */
  cdn?: Cdn
  /** How much one user may have in flight. */
  admission: Admission
  /** A folder of this process's own. */
  scratch: string
}

/** The drivers that the settings name; the embedded database only where one of them needs it. */
export async function openPorts(site: Site): Promise<Ports> {
  const { config, closers } = site
  const scratch = await openScratch(site)
  const given = { ...site, store: once(() => openSiteStore(site)) }
  const metadata = await openMetadata(config.metadata, given)
  closers.add('metadata', metadata.close)
  const queue = await openQueue(config.queue, given)
  closers.add('queue', queue.close)
  const objects = await openSiteObjects(site, scratch)
  const admission = openAdmission({ ...site, metadata, queue, ...config.quotas, ...config.worker })
  return { metadata, queue, objects, admission, scratch, ...(doesJobs(site.role) && { cdn: await openSiteCdn(site) }) }
}

async function openSiteCdn({ config, closers }: Site): Promise<Cdn> {
  const cdn = await openCdn(config.delivery)
  closers.add('cdn', cdn.close)
  return cdn
}

async function openSiteStore({ config, closers, onFatal }: Site): Promise<Store> {
  const store = await openStore({ path: join(config.service.dataDir, 'metadata.db'), onFatal })
  closers.add('store', store.close)
  return store
}

async function openSiteObjects(site: Site, scratch: string): Promise<ObjectStore> {
  const { config, chance, closers, publicUrl } = site
  const { dataDir } = config.service
  const presign = async () => {
    const path = join(dataDir, 'keys', 'store-secret')
    return { baseUrl: publicUrl, secret: await secretOnce(path, () => chance.secret(32), chance.secret) }
  }
  const local = config.objects.driver === 'filesystem'
  // Another engine keeps here only what is on its way, and no two processes in one place.
  const given = local ? { dataDir, presign: await presign() } : { dataDir: scratch }
  const objects = await openObjects(config.objects, { ...site, ...given, secret: chance.secret })
  closers.add('objects', objects.close)
  return objects
}

/** What readiness asks. */
export function readinessOf({ metadata, queue, objects }: Ports) {
  return { metadata: metadata.ping, queue: queue.ping, objects: objects.ping }
}
