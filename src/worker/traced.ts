import type { Tracer } from '../media/trace.ts'
import type { Watch } from './watch.ts'

/** A watch that also follows jobs in the traces of the requests that made them: how long each waited, and each attempt. */
export function traced(watch: Watch, tracer: Tracer): Watch {
  return {
    wakeUp: watch.wakeUp,
    begin: (job) => {
      const inner = watch.begin(job)
      const { trace: parent, job_id, media_id, kind, attempts, due_at, lane } = job
      if (parent === null) return inner
      const attributes = { 'media.job_id': job_id, 'media.media_id': media_id, 'media.lane': lane }
      tracer.begin('wait', { parent, kind: 'internal', start: due_at, attributes }).end()
      const about = { ...attributes, 'media.attempt': attempts }
      const span = tracer.begin(`job ${kind}`, { parent, kind: 'consumer', attributes: about })
      return {
        within: async (work) => await tracer.within(span, work),
        progress: inner.progress,
        renewed: inner.renewed,
        end: (outcome) => {
          inner.end(outcome)
          const failed = outcome === 'done' || outcome === 'handed_back' ? undefined : outcome
          span.end({ attributes: { 'media.outcome': outcome }, failed })
        },
      }
    },
  }
}
