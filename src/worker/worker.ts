import { MediaError } from '../media/errors.ts'
import { type Lane, lanes } from '../media/jobs.ts'
import type { Delivery } from '../queue/port.ts'
import { claimJob } from './claim.ts'
import { pauseAfter } from './outcomes.ts'
import { type Doing, runClaim } from './run.ts'
import { noWatch } from './watch.ts'

export interface WorkerOptions extends Omit<Doing, 'leaseMs'> {
  concurrency: number
  leaseSeconds: number
  stopSeconds: number
}

export interface Worker {
  /** Jobs being done now. */
  running(): number
  /** Takes no more, lets running jobs finish within `stopSeconds`, hands back the rest. */
  stop(): Promise<void>
}

/** Takes wake-ups from both lanes, so that a picture never waits behind a film, and does the jobs they name. */
export function startWorker(options: WorkerOptions): Worker {
  const { concurrency, stopSeconds, queue, clock, chance, log, watch = noWatch } = options
  const doing = { ...options, leaseMs: options.leaseSeconds * 1_000 }
  const taking = new AbortController()
  const cutting = new AbortController()
  let running = 0

  async function handle(lane: Lane, delivery: Delivery): Promise<void> {
    const { job_id } = delivery.wakeUp
    const claim = await claimJob(job_id, { ...doing, now: clock.now() }).catch(async (error) => {
      log.warn({ job_id, error }, 'claim failed')
      await delivery.release()
      await clock.sleep(pauseAfter(1, chance.random()), taking.signal).catch(() => {})
      return undefined
    })
    if (claim === undefined) return
    watch.wakeUp(lane, claim !== null)
    // From here the job's lease stands for it: the wake-up may go before the work is done.
    await delivery.acknowledge().catch((error) => log.warn({ job_id, error }, 'wake-up not acknowledged'))
    if (claim) await runClaim(claim, doing, cutting.signal)
  }

  async function serve(lane: Lane): Promise<void> {
    for await (const delivery of queue.receive(lane, taking.signal)) {
      running++
      await handle(lane, delivery).catch((error) =>
        log.error({ error, wakeUp: delivery.wakeUp }, 'job left to the sweeper'),
      )
      running--
    }
  }

  /** A lane that breaks is taken up again: without it the process would live on and do nothing. */
  async function keepServing(lane: Lane): Promise<void> {
    for (let tries = 1; !taking.signal.aborted; tries++) {
      await serve(lane).catch(async (error) => {
        log.error({ lane, error }, 'lane broke; taking it up again')
        await clock.sleep(pauseAfter(tries, chance.random()), taking.signal).catch(() => {})
      })
    }
  }

  const width: Record<Lane, number> = {
    tasks: concurrency,
    'tasks-long': Math.min(concurrency, Math.ceil(concurrency / 2)),
  }
  const loops = lanes.flatMap((lane) => Array.from({ length: width[lane] }, () => keepServing(lane)))

  return {
    running: () => running,
    stop: async () => {
      taking.abort()
      const finished = Promise.all(loops)
      const patience = new AbortController()
      const late = clock.sleep(stopSeconds * 1_000, patience.signal).then(
        () => cutting.abort(new MediaError('interrupted', 'the worker was told to stop')),
        () => {},
      )
      await Promise.race([finished, late])
      patience.abort()
      await finished
    },
  }
}
