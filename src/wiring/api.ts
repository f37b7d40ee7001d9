import type { KeyObject } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { checkCookieDomain } from '../delivery/cookies.ts'
import { openDownloads } from '../delivery/download.ts'
import { readImagePresets } from '../delivery/images/presets.ts'
import { checkCloudFrontKey, type DeliveryKeys, secretOnce } from '../delivery/keys.ts'
import { openSigner, openVerifier } from '../delivery/signer.ts'
import { openStreams, type StreamRequest } from '../delivery/streams.ts'
import { buildApp, closeApp } from '../http/app.ts'
import { isIdentityConfigured } from '../http/identity.ts'
import { explainListening } from '../http/listening.ts'
import { openUploadTokens, readUploadKey } from '../http/upload-tokens.ts'
import { openLedger } from '../library/erasure.ts'
import { openLibrary } from '../library/library.ts'
import { openOperations } from '../library/operations.ts'
import type { ServedFrom } from '../media/measured.ts'
import { openDeliveryLog } from '../notices/delivery-log.ts'
import { readEndpoints } from '../notices/endpoints.ts'
import { openFeed } from '../notices/feed.ts'
import { openLive } from '../notices/live.ts'
import { canPresign, hasPresignedDoor } from '../objects/port.ts'
import { readProfiles } from '../processing/profiles.ts'
import { openQuota } from '../quotas/quota.ts'
import { openCompanionDoor } from '../uploads/companion.ts'
import { openDirectDoor } from '../uploads/direct.ts'
import { openFormDoor } from '../uploads/form.ts'
import { openIdempotency } from '../uploads/idempotency.ts'
import { openIntake } from '../uploads/intake.ts'
import { openPending } from '../uploads/pending.ts'
import { openRawDoor } from '../uploads/raw.ts'
import { openResumable } from '../uploads/resumable.ts'
import { openSharedTurns } from '../uploads/shared-turns.ts'
import type { Metrics } from '../worker/metrics.ts'
import { findConsole } from './console.ts'
import { openDeliveryKeys, openFarStorage, openSiteEdge } from './edge.ts'
import { describeEngines, isShared } from './engines.ts'
import { openSiteImages } from './images.ts'
import { findManual } from './manual.ts'
import { type Ports, readinessOf } from './ports.ts'
import { once, type Site } from './site.ts'
import { startSiteWebhooks } from './webhooks.ts'

export async function startApi(site: Site, ports: Ports, metrics: Metrics): Promise<string[]> {
  const { config, clock, closers, publicUrl } = site
  const { http, service } = config
  const webhooks = await readEndpoints(config.notices)
  const live = openLive({ ...site, ...ports })
  const feed = openFeed({ ...site, ...ports })
  const { edge, downloads, streams, images } = await openDelivery(site, ports, metrics)
  const app = await buildApp({
    ...site,
    settings: http,
    library: openLibrary({ ...site, ...ports }),
    ...(await openDoors(site, ports, metrics)),
    downloads,
    streams,
    images,
    live,
    feed,
    deliveries: openDeliveryLog({ ...site, ...ports }),
    readLedger: openLedger(ports),
    requestsPerMinute: config.quotas.requests,
    operations: openOperations({ ...site, ...ports }),
    readiness: readinessOf(ports),
    drivers: await describeEngines(site),
    metrics,
    onAnswer: metrics.observed.answered,
    console: await findConsole(site),
    manual: await findManual(),
    edge,
    clock,
  })
  closers.add('live', live.close)
  closers.add('feed', feed.close)
  closers.add('api', () => closeApp(app, clock))
  const local = await app.listen({ host: http.host, port: http.port }).catch((error) => {
    throw explainListening(error, http)
  })
  site.listensAt(http.host === '127.0.0.1' ? local : local.replace(/\/\/[^:/]+|\/\/\[.*\]/, `//${http.host}`))
  startSiteWebhooks(site, ports, { endpoints: webhooks, metrics })
  const token = isIdentityConfigured(http) ? '-H "Authorization: Bearer $TOKEN" ' : ''
  const curl = `curl ${token}-F title="My first upload" -F file=@clip.mp4 ${publicUrl()}/api/media/upload`
  return [
    `Media Service is listening on ${local}`,
    '',
    `data       ${service.dataDir}`,
    `console    ${publicUrl()}/`,
    `docs       ${publicUrl()}/docs`,
    `try        ${curl}`,
  ]
}

/** Every way in. */
async function openDoors(site: Site, ports: Ports, { observed }: Metrics) {
  const { config, clock, log } = site
  const { formLimit, maxBytes, expirySeconds } = config.uploads
  const { objects } = ports
  const { names: profiles } = await readProfiles(config.processing.profilesFile)
  const quota = openQuota({ ...ports, ...config.quotas })
  const onUpload = observed.uploaded
  const { tracer } = site
  const shared = {
    ...site,
    ...ports,
    quota,
    onUpload,
    ...(tracer && { traceparent: tracer.current }),
    tempBucket: config.objects.tempBucket,
    profiles,
  }
  const intake = openIntake({ ...shared, formLimit })
  const pending = openPending({ ...shared, maxBytes, expirySeconds })
  // Elsewhere one process owns all uploads.
  const turns = isShared(config) ? { turns: openSharedTurns(shared) } : {}
  const resumable = openResumable({ ...shared, pending, maxBytes, ...turns })
  site.closers.add('resumable uploads', resumable.close)
  const direct = canPresign(objects) ? openDirectDoor({ ...site, pending, objects }) : undefined
  return {
    formDoor: openFormDoor({ intake, formLimit, profiles, log }),
    formLimit,
    rawDoor: openRawDoor({ intake, maxBytes, profiles }),
    idempotency: openIdempotency(shared),
    resumable,
    direct,
    companion: direct && openCompanionDoor({ ...shared, pending, direct, maxBytes }),
    uploadTokens: openUploadTokens({ key: await openUploadKey(site), clock }),
    store: hasPresignedDoor(objects) ? objects : undefined,
  }
}

/** What upload tokens are signed with. */
async function openUploadKey({ config, chance }: Site): Promise<Buffer> {
  const { uploadKeyFile } = config.http
  if (uploadKeyFile) return await readUploadKey(uploadKeyFile)
  const path = join(config.service.dataDir, 'keys', 'upload-tokens')
  return await secretOnce(path, () => chance.secret(32), chance.secret)
}

/** Signed addresses, and the embedded edge that serves them where no CDN of its own does. */
async function openDelivery(site: Site, ports: Ports, metrics: Metrics) {
  const { config, clock, publicUrl } = site
  const { metadata, objects } = ports
  const { baseUrl, hash, urlSeconds, cookieDomain } = config.delivery
  checkCookieDomain(cookieDomain, { CDN_BASE_URL: baseUrl, PUBLIC_URL: config.http.publicUrl })
  const keys = await openDeliveryKeys(site)
  const bucket = config.objects.processedBucket
  if (!keys.signing) {
    throw new Error('CDN_PUBLIC_KEY_FILES alone can verify and not sign: the API needs CDN_PRIVATE_KEY_FILE too.')
  }
  const signer = openSigner({ ...keys.signing, hash })
  if (config.delivery.driver === 'cloudfront') checkCloudFront(site, keys.signing.privateKey)
  const cdnUrl = () => baseUrl ?? `${publicUrl()}/cdn`
  // With PORT=0 the address is known only once the API listens, so these open with the first request.
  const addresses = once(() => ({ bucket, baseUrl: cdnUrl(), publicUrl: publicUrl() }))
  const cookieReach = { domain: cookieDomain, pages: config.http.corsOrigins }
  const imageLimits = await readImagePresets(config.delivery.imagePresetsFile)
  const given = { metadata, signer, clock, urlSeconds, cookieReach, imageLimits }
  const downloads = once(() => openDownloads({ ...addresses(), ...given }))
  const verifier = openVerifier(keys.publicKeys)
  const streams = once(() => openStreams({ ...addresses(), metadata, objects, verifier, clock }))
  return {
    edge:
      config.delivery.driver === 'edge'
        ? await openOwnEdge(site, ports, { keys, cdnUrl, onServed: metrics.observed.served })
        : undefined,
    downloads: {
      download: (request: Parameters<ReturnType<typeof downloads>['download']>[0]) => downloads().download(request),
    },
    streams: { open: (request: StreamRequest) => streams().open(request) },
    images: await openSiteImages(site, ports, verifier),
  }
}

/** The embedded edge, below `/cdn`. */
async function openOwnEdge(
  site: Site,
  { metadata, objects, scratch }: Ports,
  { keys, cdnUrl, onServed }: { keys: DeliveryKeys; cdnUrl: () => string; onServed: (from: ServedFrom) => void },
) {
  const isDeleted = async (media_id: string) => ((await metadata.get(media_id))?.status ?? 'deleted') === 'deleted'
  const storage = await openFarStorage(site, objects, scratch)
  const edge = once(() =>
    openSiteEdge(site, { objects, keys, publicBaseUrl: cdnUrl(), basePath: '/cdn', isDeleted, storage, onServed }),
  )
  site.closers.add('edge', () => edge().close())
  return (request: IncomingMessage, reply: ServerResponse) => edge().handle(request, reply)
}

/** @throws Error when CloudFront would not have taken the key that signs */
function checkCloudFront({ config, log }: Site, privateKey: KeyObject): void {
  checkCloudFrontKey(privateKey)
  if (config.objects.driver !== 's3') {
    log.warn(
      'CloudFront fetches from a bucket of S3, and OBJECTS_DRIVER is not s3: its origin must serve these objects',
    )
  }
}
