import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { destination, type Logger, pino, stdSerializers, stdTimeFunctions } from 'pino'
import { type Closers, openClosers } from './closing.ts'
import type { Config } from './config.ts'
import { openDownloads } from './delivery/download.ts'
import { type Edge, openEdge } from './delivery/edge.ts'
import { type DeliveryKeys, openKeys, secretOnce } from './delivery/keys.ts'
import { openSigner, openVerifier } from './delivery/signer.ts'
import { openDataFolder } from './embedded/folder.ts'
import { openStore } from './embedded/store.ts'
import { buildApp, closeApp } from './http/app.ts'
import { problemOf } from './http/errors.ts'
import { assertSafeToListen, isIdentityConfigured, isLoopback } from './http/identity.ts'
import { explainListening } from './http/listening.ts'
import { listenStandalone } from './http/standalone.ts'
import { openUploadTokens, readUploadKey } from './http/upload-tokens.ts'
import { openLibrary } from './library/library.ts'
import { type Chance, type Clock, systemChance, systemClock } from './media/clock.ts'
import { openMetadata } from './metadata/open.ts'
import type { Metadata } from './metadata/port.ts'
import { openLive } from './notices/live.ts'
import { openObjects } from './objects/open.ts'
import { canPresign, hasPresignedDoor, type ObjectStore } from './objects/port.ts'
import { openProcessor } from './processing/pipeline.ts'
import type { Processor } from './processing/process.ts'
import { findTools } from './processing/tools/find.ts'
import { openRunner } from './processing/tools/run.ts'
import { isVideoSafe, probeSandbox } from './processing/tools/sandbox.ts'
import { openQueue } from './queue/open.ts'
import type { Queue } from './queue/port.ts'
import { openCompanionDoor } from './uploads/companion.ts'
import { openDirectDoor } from './uploads/direct.ts'
import { openFormDoor } from './uploads/form.ts'
import { openIdempotency } from './uploads/idempotency.ts'
import { openIntake } from './uploads/intake.ts'
import { openPending } from './uploads/pending.ts'
import { openRawDoor } from './uploads/raw.ts'
import { openResumable } from './uploads/resumable.ts'
import { startSweeper } from './worker/sweeper.ts'
import { startWorker } from './worker/worker.ts'

export const roles = ['all', 'serve', 'worker', 'edge'] as const
export type Role = (typeof roles)[number]

export interface Service {
  /** Where it listens, where the data lies, what to try: for a person. */
  banner: string
  /** Stops taking work, finishes or hands back what runs, closes in order. */
  stop(): Promise<void>
}

/** What every step is given. */
interface Site {
  config: Config
  clock: Clock
  chance: Chance
  log: Logger
  closers: Closers
  /** Where the API is reached, without a slash at the end; with PORT=0 known only once it listens. */
  publicUrl: () => string
  /** Tells where it listens. */
  listensAt: (address: string) => void
}

interface Ports {
  metadata: Metadata
  queue: Queue
  objects: ObjectStore
}

/**
 * Opens drivers, hands them to the rooms, starts what `role` asks for; closes what was opened when a step fails.
 * @param onFatal told when the service can no longer keep its promises and the process should end.
 */
export async function startService(role: Role, config: Config, onFatal: (error: Error) => void): Promise<Service> {
  assertSafeToListen({ host: config.http.host, settings: config.http })
  if (role === 'worker') refuseLonelyWorker(config)
  const log = openLog(config.service.logLevel)
  let address = ''
  const site: Site = {
    config,
    clock: systemClock,
    chance: systemChance,
    log,
    closers: openClosers({ clock: systemClock, log }),
    publicUrl: () => config.http.publicUrl ?? address,
    listensAt: (said) => {
      address = said
    },
  }
  const stop = site.closers.closeAll
  try {
    await openDataFolder(config.service.dataDir, { writable: role !== 'edge' })
    const lines = role === 'edge' ? await startEdge(site) : await startMain(role, site, onFatal)
    return { banner: `${lines.join('\n')}\n`, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function startMain(role: Role, site: Site, onFatal: (error: Error) => void): Promise<string[]> {
  const ports = await openPorts(site, onFatal)
  const work = role === 'serve' ? ['worker     none here: start one beside it'] : await startWork(site, ports)
  return [...(await startApi(site, ports)), ...work]
}

async function openPorts(site: Site, onFatal: (error: Error) => void): Promise<Ports> {
  const { config, clock, chance, closers, publicUrl } = site
  const { dataDir } = config.service
  const store = await openStore({ path: join(dataDir, 'metadata.db'), onFatal })
  closers.add('store', store.close)
  const metadata = await openMetadata(config.metadata, { store })
  closers.add('metadata', metadata.close)
  const queue = await openQueue(config.queue, { store, clock })
  closers.add('queue', queue.close)
  const secret = await secretOnce(join(dataDir, 'keys', 'store-secret'), () => chance.secret(32), chance.secret)
  const presign = { baseUrl: publicUrl, secret }
  const objects = await openObjects(config.objects, { dataDir, clock, secret: chance.secret, presign })
  closers.add('objects', objects.close)
  return { metadata, queue, objects }
}

/** Worker and sweeper; what they run with, as lines for the banner. */
async function startWork(site: Site, ports: Ports): Promise<string[]> {
  const { config, closers } = site
  const { tempBucket, processedBucket } = config.objects
  const { processor, lines } = await openProcessing(site, ports.objects)
  const shared = { ...site, ...ports, tempBucket, processedBucket }
  const sweeper = startSweeper({ ...shared, ...config.uploads })
  closers.add('sweeper', sweeper.stop)
  const worker = startWorker({ ...shared, ...config.worker, processor })
  closers.add('worker', worker.stop, config.worker.stopSeconds * 1_000)
  return lines
}

/** Tools, sandbox and processor, and a line on each for the operator. */
async function openProcessing(site: Site, objects: ObjectStore): Promise<{ processor: Processor; lines: string[] }> {
  const { config, closers, clock, log } = site
  const { dataDir } = config.service
  const [sandbox, found] = await Promise.all([probeSandbox(config.processing.sandbox), findTools(config.processing)])
  const takesVideo = isVideoSafe(sandbox, { loopback: isLoopback(config.http.host) })
  const processor = await openProcessor({
    ...site,
    objects,
    runner: openRunner({ sandbox, clock }),
    tools: found.tools,
    takesVideo,
    settings: config.processing,
    workRoot: join(dataDir, 'work'),
    processedBucket: config.objects.processedBucket,
  })
  closers.add('processing', processor.close)
  const { kind, reason } = sandbox
  log.info({ sandbox: kind, reason, takesVideo, ffmpeg: found.tools?.version ?? null }, 'processing')
  const safety = kind === 'bwrap' ? kind : `${kind}: ${reason}${takesVideo ? '' : '; video and sound are refused'}`
  return {
    processor,
    lines: [`tools      ${found.problem ?? `ffmpeg ${found.tools?.version}`}`, `sandbox    ${safety}`],
  }
}

async function startApi(site: Site, ports: Ports): Promise<string[]> {
  const { config, clock, closers, publicUrl } = site
  const { http, service } = config
  const live = openLive({ ...site, ...ports })
  const { edge, downloads } = await openDelivery(site, ports)
  const app = await buildApp({
    ...site,
    settings: http,
    library: openLibrary({ ...site, ...ports }),
    ...(await openDoors(site, ports)),
    downloads,
    live,
    readiness: { metadata: ports.metadata.ping, queue: ports.queue.ping, objects: ports.objects.ping },
    edge,
    clock,
  })
  closers.add('live', live.close)
  closers.add('api', () => closeApp(app, clock))
  const local = await app.listen({ host: http.host, port: http.port }).catch((error) => {
    throw explainListening(error, http)
  })
  site.listensAt(http.host === '127.0.0.1' ? local : local.replace(/\/\/[^:/]+|\/\/\[.*\]/, `//${http.host}`))
  const token = isIdentityConfigured(http) ? '-H "Authorization: Bearer $TOKEN" ' : ''
  const curl = `curl ${token}-F title="My first upload" -F file=@clip.mp4 ${publicUrl()}/api/media/upload`
  return [
    `Media Service is listening on ${local}`,
    '',
    `data       ${service.dataDir}`,
    `docs       ${publicUrl()}/docs`,
    `try        ${curl}`,
  ]
}

/** Every way in. */
async function openDoors(site: Site, ports: Ports) {
  const { config, clock, log } = site
  const { formLimit, maxBytes, expirySeconds } = config.uploads
  const { objects } = ports
  const shared = { ...site, ...ports, tempBucket: config.objects.tempBucket }
  const intake = openIntake({ ...shared, formLimit })
  const pending = openPending({ ...shared, maxBytes, expirySeconds })
  const resumable = openResumable({ ...shared, pending, maxBytes })
  site.closers.add('resumable uploads', resumable.close)
  const direct = canPresign(objects) ? openDirectDoor({ ...site, pending, objects }) : undefined
  return {
    formDoor: openFormDoor({ intake, formLimit, log }),
    formLimit,
    rawDoor: openRawDoor({ intake, maxBytes }),
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

/** Signed addresses, and the embedded edge that serves them below `/cdn`. */
async function openDelivery(site: Site, { metadata, objects }: Ports) {
  const { config, clock, closers, publicUrl } = site
  const { baseUrl, hash, urlSeconds } = config.delivery
  const keys = await openDeliveryKeys(site)
  const bucket = config.objects.processedBucket
  if (!keys.signing) {
    throw new Error('CDN_PUBLIC_KEY_FILES alone can verify and not sign: the API needs CDN_PRIVATE_KEY_FILE too.')
  }
  const signer = openSigner({ ...keys.signing, hash })
  const isDeleted = async (media_id: string) => ((await metadata.get(media_id))?.status ?? 'deleted') === 'deleted'
  const cdnUrl = () => baseUrl ?? `${publicUrl()}/cdn`
  // With PORT=0 the address is known only once the API listens, so these open with the first request.
  const edge = once(() => openSiteEdge(site, { objects, keys, publicBaseUrl: cdnUrl(), basePath: '/cdn', isDeleted }))
  const downloads = once(() => openDownloads({ metadata, signer, bucket, baseUrl: cdnUrl(), clock, urlSeconds }))
  closers.add('edge', () => edge().close())
  return {
    edge: (request: IncomingMessage, reply: ServerResponse) => edge().handle(request, reply),
    downloads: {
      download: (request: Parameters<ReturnType<typeof downloads>['download']>[0]) => downloads().download(request),
    },
  }
}

function openDeliveryKeys({ config, chance }: Site): Promise<DeliveryKeys> {
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

function openSiteEdge({ config, clock, chance, log }: Site, { keys, ...given }: EdgeGiven): Edge {
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

/** The edge in a process of its own, over the same objects: it needs public keys and no metadata. */
async function startEdge(site: Site): Promise<string[]> {
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

/** Embedded engines live in one process: a worker beside it would see nothing of them. */
function refuseLonelyWorker({ metadata, queue, objects }: Config): void {
  const shared: string[] = []
  if (metadata.driver === 'embedded') shared.push('METADATA_DRIVER')
  if (queue.driver === 'embedded') shared.push('QUEUE_DRIVER')
  if (objects.driver === 'filesystem') shared.push('OBJECTS_DRIVER')
  if (shared.length === 0) return
  throw new Error(
    `A worker of its own needs engines that several processes share: set ${shared.join(', ')}. ` +
      'On the embedded engines `npm start` runs the worker beside the API.',
  )
}

/** JSON lines on standard error. */
function openLog(level: Config['service']['logLevel']): Logger {
  const serializers = { error: stdSerializers.err }
  return pino(
    { level, base: null, serializers, timestamp: stdTimeFunctions.isoTime },
    destination({ dest: 2, sync: true }),
  )
}

/** Opened when first asked for. */
function once<T>(open: () => T): () => T {
  let opened: { value: T } | undefined
  return () => {
    opened ??= { value: open() }
    return opened.value
  }
}
