import { hostname } from 'node:os'
import { join } from 'node:path'
import { isLoopback } from '../http/identity.ts'
import { stepsIn, untraced } from '../media/trace.ts'
import { readSteps } from '../processing/gates/steps.ts'
import { openProcessor } from '../processing/pipeline.ts'
import type { Processor } from '../processing/process.ts'
import { readProfiles } from '../processing/profiles.ts'
import { findTools } from '../processing/tools/find.ts'
import { openRunner } from '../processing/tools/run.ts'
import { isVideoSafe, type Sandbox } from '../processing/tools/sandbox.ts'
import { tracedRunner } from '../processing/tools/traced.ts'
import { openLead } from '../worker/lead.ts'
import { type Metrics, openMetrics } from '../worker/metrics.ts'
import { startPresence } from '../worker/presence.ts'
import { startSweeper } from '../worker/sweeper.ts'
import { traced } from '../worker/traced.ts'
import { startWorker } from '../worker/worker.ts'
import { describeEngines, isShared } from './engines.ts'
import { type Ports, readinessOf } from './ports.ts'
import { listenForProbes } from './probes.ts'
import type { Site } from './site.ts'

/** What doing jobs takes, wherever the wake-ups come from. */
export interface WorkParts extends Ports {
  processor: Processor
  tempBucket: string
  processedBucket: string
  /** What it runs with, for the banner. */
  lines: string[]
}

/** Tools, sandbox and processor on the drivers. */
export async function openWorkParts(site: Site, ports: Ports, metrics?: Metrics): Promise<WorkParts> {
  const { tempBucket, processedBucket } = site.config.objects
  const { processor, lines } = await openProcessing(site, ports, metrics)
  return { ...ports, processor, tempBucket, processedBucket, lines }
}

export async function startWork(site: Site, ports: Ports, metrics: Metrics): Promise<string[]> {
  const { config, closers } = site
  const parts = await openWorkParts(site, ports, metrics)
  startSweep(site, ports)
  const worker_id = workerName(site)
  const { tracer } = site
  const watch = tracer ? traced(metrics.watch, tracer) : metrics.watch
  const worker = startWorker({ ...site, ...parts, ...config.worker, worker_id, watch })
  closers.add('worker', worker.stop, config.worker.stopSeconds * 1_000)
  const presence = startPresence({ ...site, ...parts, ...config.worker, worker_id, running: metrics.running })
  closers.add('presence', presence.stop)
  return parts.lines
}

function workerName({ chance }: Site): string {
  return `${hostname()}.${process.pid}.${chance.secret(4).toString('hex')}`
}

/** Every process that can sweeps; on shared engines one at a time does. */
export function startSweep(site: Site, ports: Ports): void {
  const { config, closers } = site
  const { tempBucket } = config.objects
  const lead = isShared(config) ? { lead: openLead('sweeper', { ...site, ...ports }) } : {}
  const sweeper = startSweeper({ ...site, ...ports, ...config.uploads, tempBucket, ...lead })
  closers.add('sweeper', sweeper.stop)
}

export function openSiteMetrics(site: Site, ports: Ports): Metrics {
  const metrics = openMetrics({ ...site, ...ports })
  site.closers.add('metrics', metrics.stop)
  return metrics
}

/** Health and figures of a worker of its own; a line for the banner. */
export async function startProbes(site: Site, ports: Ports, metrics: Metrics): Promise<string> {
  const { port } = site.config.worker
  if (port === null) return 'Worker is waiting for jobs'
  const given = { readiness: readinessOf(ports), drivers: await describeEngines(site), metrics }
  const address = await listenForProbes(site, { ...given, port, portSetting: 'WORKER_PORT' })
  return `Worker is waiting for jobs, and listening on ${address} for /healthz, /readyz and /metrics`
}

/** A line on each for the operator. */
async function openProcessing(
  site: Site,
  ports: Ports,
  metrics?: Metrics,
): Promise<{ processor: Processor; lines: string[] }> {
  const { config, closers, clock, log, role, tracer } = site
  const step = tracer ? stepsIn(tracer) : untraced
  const steps = await readSteps(config.processing.stepsFile)
  const profiles = await readProfiles(config.processing.profilesFile)
  const [sandbox, found] = await Promise.all([site.sandbox(), findTools(config.processing)])
  // A worker of its own listens nowhere: its media come from whoever reaches the API.
  const takesVideo = isVideoSafe(sandbox, { loopback: role !== 'worker' && isLoopback(config.http.host) })
  const processor = await openProcessor({
    ...site,
    objects: ports.objects,
    ...(metrics && { onMade: metrics.observed.made }),
    runner: tracer ? tracedRunner(openRunner({ sandbox, clock }), step) : openRunner({ sandbox, clock }),
    step,
    tools: found.tools,
    takesVideo,
    settings: config.processing,
    steps,
    profiles,
    workRoot: join(ports.scratch, 'work'),
    processedBucket: config.objects.processedBucket,
  })
  closers.add('processing', processor.close)
  const { kind, reason } = sandbox
  log.info({ sandbox: kind, reason, takesVideo, ffmpeg: found.tools?.version ?? null }, 'processing')
  return {
    processor,
    lines: [
      `tools      ${found.problem ?? `ffmpeg ${found.tools?.version}`}`,
      `sandbox    ${sandboxLine(sandbox, takesVideo)}`,
      ...(config.processing.profilesFile ? [`profiles   ${profiles.names.join(', ')}`] : []),
      ...(steps.length > 0 ? [`steps      ${steps.map(({ name }) => name).join(', ')}`] : []),
    ],
  }
}

function sandboxLine({ kind, reason }: Sandbox, takesVideo: boolean): string {
  return kind === 'bwrap' ? kind : `${kind}: ${reason}${takesVideo ? '' : '; video and sound are refused'}`
}
