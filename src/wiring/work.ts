import { join } from 'node:path'
import { isLoopback } from '../http/identity.ts'
import type { ObjectStore } from '../objects/port.ts'
import { openProcessor } from '../processing/pipeline.ts'
import type { Processor } from '../processing/process.ts'
import { findTools } from '../processing/tools/find.ts'
import { openRunner } from '../processing/tools/run.ts'
import { isVideoSafe, probeSandbox } from '../processing/tools/sandbox.ts'
import { startSweeper } from '../worker/sweeper.ts'
import { startWorker } from '../worker/worker.ts'
import type { Ports } from './ports.ts'
import type { Site } from './site.ts'

/** Worker and sweeper; what they run with, as lines for the banner. */
export async function startWork(site: Site, ports: Ports): Promise<string[]> {
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
