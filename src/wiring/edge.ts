import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { openSharedCache } from '../delivery/cache/cache.ts'
import { openHttpOrigin } from '../delivery/cache/origin.ts'
import { openStorage, type Storage } from '../delivery/cache/storage.ts'
import { type Edge, openEdge } from '../delivery/edge.ts'
import { type EdgeFigures, openEdgeFigures } from '../delivery/figures.ts'
import { type DeliveryKeys, openKeys } from '../delivery/keys.ts'
import { openVerifier } from '../delivery/signer.ts'
import { ownFolder } from '../embedded/owned.ts'
import { problemOf } from '../http/errors.ts'
import type { Readiness } from '../http/readiness.ts'
import { listenStandalone } from '../http/standalone.ts'
import type { ServedFrom } from '../media/measured.ts'
import { openObjects } from '../objects/open.ts'
import { hasLocalFiles, type ObjectStore } from '../objects/port.ts'
import { listenForProbes } from './probes.ts'
import { once, type Site } from './site.ts'

/** The edge in a process of its own. */
export async function startEdge(site: Site): Promise<string[]> {
  const { origin, isPublic } = site.config.delivery
  if (origin === undefined && !isPublic) return await startSignedEdge(site)
  if (origin !== undefined && isPublic) return await startPublicEdge(site, origin)
  throw new Error(
    origin === undefined
      ? 'EDGE_PUBLIC=true asks for no signatures, which only holds in front of another origin: set EDGE_ORIGIN, or leave EDGE_PUBLIC.'
      : 'EDGE_ORIGIN makes this a plain cache that asks for no signatures: say by EDGE_PUBLIC=true that whatever lies there is for everybody.',
  )
}

/** A shared cache in front of any origin. */
async function startPublicEdge(site: Site, origin: string): Promise<string[]> {
  const { config, closers } = site
  const storage = await openCacheStorage(site)
  const figures = openEdgeFigures({ storage })
  const cache = openSharedCache({ ...site, ...figures, storage, origin: openHttpOrigin(origin) })
  const server = await listenStandalone(config.http, counted(figures, cache))
  closers.add('cache', cache.close)
  closers.add('server', server.close)
  // An origin that is away is no reason to take a cache that has its files out of use.
  const probes = await startEdgeProbes(site, figures, {})
  return [`Edge is listening on ${server.address}`, '', `caches     ${origin}, for everybody`, ...probes]
}

/** A line for the banner, where it is asked for. */
async function startEdgeProbes(site: Site, metrics: EdgeFigures, readiness: Readiness): Promise<string[]> {
  const port = site.config.delivery.metricsPort
  if (port === null) return []
  const given = { readiness, metrics, drivers: { objects: site.config.objects.driver } }
  return [`metrics    ${await listenForProbes(site, { ...given, port, portSetting: 'EDGE_METRICS_PORT' })}/metrics`]
}

/** Each request is counted, whatever becomes of it. */
function counted({ count }: EdgeFigures, { handle }: Pick<Edge, 'handle'>) {
  return (request: IncomingMessage, reply: ServerResponse) => {
    count(request, reply)
    void handle(request, reply)
  }
}

/**
 * Where the edge keeps what it has fetched.
 * @param part a folder in it, for what is kept apart
 */
export async function openCacheStorage(
  { config, chance, closers, log }: Site,
  parent = config.service.dataDir,
  part = '',
): Promise<Storage> {
  const { cacheDir, cacheBytes, memoryBytes } = config.delivery
  const folder = join(cacheDir ?? join(parent, 'edge-cache'), part)
  closers.add('cache folder', await ownFolder(folder))
  const newId = () => chance.uuid().replaceAll('-', '')
  const storage = await openStorage({ folder, limit: cacheBytes, memoryBytes, newId, log })
  closers.add('cache storage', storage.close)
  return storage
}

/** Over the same objects as the service: it needs public keys and no metadata. */
async function startSignedEdge(site: Site): Promise<string[]> {
  const { config, clock, closers } = site
  const objects = await openObjects(config.objects, { dataDir: config.service.dataDir, clock, owns: false })
  closers.add('objects', objects.close)
  const keys = await openDeliveryKeys(site)
  let address = ''
  const publicBaseUrl = () => config.delivery.baseUrl ?? `${address}/cdn`
  // It has the server to itself, so it lies where signed addresses say.
  const basePath = new URL(config.delivery.baseUrl ?? 'http://edge/cdn').pathname.replace(/\/$/, '')
  const storage = await openFarStorage(site, objects)
  const figures = openEdgeFigures({ storage })
  const edge = once(() =>
    openSiteEdge(site, { ...figures, objects, keys, publicBaseUrl: publicBaseUrl(), basePath, storage }),
  )
  const handle: Edge['handle'] = async (request, reply) => await edge().handle(request, reply)
  const server = await listenStandalone(config.http, counted(figures, { handle }))
  closers.add('edge', () => edge().close())
  closers.add('server', server.close)
  address = config.http.publicUrl ?? server.address
  const probes = await startEdgeProbes(site, figures, { objects: objects.ping })
  return [`Edge is listening on ${server.address}`, '', `serves     ${publicBaseUrl()}/…`, ...probes]
}

/**
 * A cache on this disk, for a store that has no files here.
 * @param parent where its folder lies when no setting says; the data folder when not given
 */
export async function openFarStorage(site: Site, objects: ObjectStore, parent?: string): Promise<Storage | undefined> {
  return hasLocalFiles(objects) ? undefined : await openCacheStorage(site, parent)
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
  storage: Storage | undefined
  onServed?: (from: ServedFrom) => void
  onOriginError?: () => void
}

export function openSiteEdge({ config, clock, chance, log }: Site, { keys, storage, ...given }: EdgeGiven): Edge {
  return openEdge({
    ...given,
    ...(storage && { storage }),
    bucket: config.objects.processedBucket,
    verifier: openVerifier(keys.publicKeys),
    clock,
    log,
    problemOf: (error) => problemOf(error, chance.uuid()),
    memoryBytes: config.delivery.memoryBytes,
    corsOrigins: config.http.corsOrigins,
  })
}
