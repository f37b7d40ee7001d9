import { openClosers } from './closing.ts'
import type { Config } from './config.ts'
import { openDataFolder } from './embedded/folder.ts'
import { assertSafeToListen } from './http/identity.ts'
import { systemChance, systemClock } from './media/clock.ts'
import type { Tracer } from './media/trace.ts'
import { startRelay } from './notices/relay.ts'
import { probeSandbox } from './processing/tools/sandbox.ts'
import { hasEventTopic } from './queue/port.ts'
import { openOtlp } from './tracing/otlp.ts'
import { startApi } from './wiring/api.ts'
import { startEdge } from './wiring/edge.ts'
import {
  isShared,
  refuseLonelyWorker,
  requireDeliveryKeys,
  requireDistribution,
  requireSharedKeys,
} from './wiring/engines.ts'
import { openPorts, type Ports } from './wiring/ports.ts'
import { once, openLog, type Role, type Site } from './wiring/site.ts'
import { openSiteMetrics, openWorkParts, startProbes, startSweep, startWork, type WorkParts } from './wiring/work.ts'
import type { Metrics } from './worker/metrics.ts'
import { traced } from './worker/traced.ts'
import { noWatch, type Watch } from './worker/watch.ts'

export { examine, findingLines } from './wiring/doctor.ts'
export { setUp } from './wiring/set-up.ts'
export { type Role, roles } from './wiring/site.ts'

export interface Service {
  /** Where it listens, where the data lies, what to try: for a person. */
  banner: string
  /** Stops taking work, finishes or hands back what runs, closes in order. */
  stop(): Promise<void>
}

/**
 * Opens drivers, hands them to the rooms, starts what `role` asks for; closes what was opened when a step fails.
 * @param onFatal told when the service can no longer keep its promises and the process should end.
 */
export async function startService(role: Role, config: Config, onFatal: (error: Error) => void): Promise<Service> {
  refuseUnfit(role, config)
  const site = openSite(role, config, onFatal)
  const stop = site.closers.closeAll
  try {
    await openDataFolder(config.service.dataDir, { writable: role !== 'edge' })
    const lines = await start[role](site)
    return { banner: `${lines.join('\n')}\n`, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** What doing one job takes, and the end of it. */
export interface WorkerParts extends WorkParts, Pick<Site, 'clock' | 'chance' | 'log' | 'tracer'> {
  watch: Watch
  stop(): Promise<void>
}

/** A worker's drivers and tools for who brings the wake-ups himself, as Lambda does: without loops, listening to nothing. */
export async function openWorkerParts(config: Config, onFatal: (error: Error) => void): Promise<WorkerParts> {
  refuseUnfit('worker', config)
  const site = openSite('worker', config, onFatal)
  const stop = site.closers.closeAll
  try {
    await openDataFolder(config.service.dataDir)
    const { clock, chance, log, tracer } = site
    const watch = tracer ? traced(noWatch, tracer) : noWatch
    const parts = await openWorkParts(site, await openPorts(site))
    return { ...parts, clock, chance, log, watch, stop, ...(tracer && { tracer }) }
  } catch (error) {
    await stop()
    throw error
  }
}

/** @throws Error naming the settings that do not go with the role, before anything is opened */
function refuseUnfit(role: Role, config: Config): void {
  requireDistribution(role, config)
  if (role === 'worker') return refuseLonelyWorker(config)
  assertSafeToListen({ host: config.http.host, settings: config.http })
  if (role === 'edge') requireDeliveryKeys(config)
  else requireSharedKeys(config)
}

export function openSite(role: Role, config: Config, onFatal: (error: Error) => void): Site {
  const log = openLog(config.service.logLevel)
  const closers = openClosers({ clock: systemClock, log })
  const tracer = openSiteTracer(config, { closers, log })
  let address = ''
  return {
    role,
    config,
    clock: systemClock,
    chance: systemChance,
    log,
    sandbox: once(() => probeSandbox(config.processing.sandbox)),
    closers,
    ...(tracer && { tracer }),
    publicUrl: () => config.http.publicUrl ?? address,
    listensAt: (said) => {
      address = said
    },
    onFatal,
  }
}

function openSiteTracer({ tracing }: Config, { closers, log }: Pick<Site, 'closers' | 'log'>): Tracer | undefined {
  const { endpoint, headers = {}, serviceName } = tracing
  if (endpoint === undefined) return undefined
  const tracer = openOtlp({ endpoint, headers, serviceName, clock: systemClock, chance: systemChance, log })
  closers.add('traces', tracer.close)
  return tracer
}

/** What every process stands on that serves or works. */
async function openCommon(site: Site): Promise<{ ports: Ports; metrics: Metrics }> {
  const ports = await openPorts(site)
  const { metadata, queue } = ports
  // Every process can follow the log for other systems; one at a time does.
  if (hasEventTopic(queue))
    site.closers.add('events relay', startRelay({ ...site, metadata, events: queue.events }).stop)
  return { ports, metrics: openSiteMetrics(site, ports) }
}

/** What each role starts; lines for the banner. */
const start: Record<Role, (site: Site) => Promise<string[]>> = {
  all: async (site) => {
    const { ports, metrics } = await openCommon(site)
    const work = await startWork(site, ports, metrics)
    return [...(await startApi(site, ports, metrics)), ...work]
  },
  serve: async (site) => {
    const { ports, metrics } = await openCommon(site)
    if (isShared(site.config)) startSweep(site, ports)
    return [...(await startApi(site, ports, metrics)), 'worker     none here: start one beside it']
  },
  worker: async (site) => {
    const { ports, metrics } = await openCommon(site)
    const work = await startWork(site, ports, metrics)
    return [await startProbes(site, ports, metrics), '', ...work]
  },
  edge: startEdge,
}
