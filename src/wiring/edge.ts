import { join } from 'node:path'
import { type Edge, openEdge } from '../delivery/edge.ts'
import { type DeliveryKeys, openKeys } from '../delivery/keys.ts'
import { openVerifier } from '../delivery/signer.ts'
import { problemOf } from '../http/errors.ts'
import { listenStandalone } from '../http/standalone.ts'
import { openObjects } from '../objects/open.ts'
import type { ObjectStore } from '../objects/port.ts'
import { once, type Site } from './site.ts'

/** The edge in a process of its own, over the same objects: it needs public keys and no metadata. */
export async function startEdge(site: Site): Promise<string[]> {
  const { config, clock, closers } = site
  const objects = await openObjects(config.objects, { dataDir: config.service.dataDir, clock, owns: false })
  closers.add('objects', objects.close)
  const keys = await openDeliveryKeys(site)
  let address = ''
  const publicBaseUrl = () => config.delivery.baseUrl ?? `${address}/cdn`
  // It has the server to itself, so it lies where signed addresses say.
  const basePath = new URL(config.delivery.baseUrl ?? 'http://edge/cdn').pathname.replace(/\/$/, '')
  const edge = once(() => openSiteEdge(site, { objects, keys, publicBaseUrl: publicBaseUrl(), basePath }))
  const server = await listenStandalone(config.http, (request, reply) => void edge().handle(request, reply))
  closers.add('edge', () => edge().close())
  closers.add('server', server.close)
  address = config.http.publicUrl ?? server.address
  return [`Edge is listening on ${server.address}`, '', `serves     ${publicBaseUrl()}/…`]
}

export function openDeliveryKeys({ config, chance }: Site): Promise<DeliveryKeys> {
  const { keyPairId, privateKeyFile, publicKeyFiles } = config.delivery
  const folder = join(config.service.dataDir, 'keys')
  return openKeys({ folder, privateKeyFile, publicKeyFiles, keyPairId, secret: chance.secret })
}

interface EdgeGiven {
  objects: ObjectStore
  keys: DeliveryKeys
  publicBaseUrl: string
  basePath: string
  isDeleted?: (media_id: string) => Promise<boolean>
}

export function openSiteEdge({ config, clock, chance, log }: Site, { keys, ...given }: EdgeGiven): Edge {
  return openEdge({
    ...given,
    bucket: config.objects.processedBucket,
    verifier: openVerifier(keys.publicKeys),
    clock,
    log,
    problemOf: (error) => problemOf(error, chance.uuid()),
    memoryBytes: config.delivery.memoryBytes,
  })
}
