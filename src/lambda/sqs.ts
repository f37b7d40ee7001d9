import type { Context, SQSBatchResponse, SQSEvent } from 'aws-lambda'
import { readWakeUp } from '../queue/wake-up.ts'
import { asInvocation } from './invocation.ts'
import { type OpenFunction, openOnce } from './open.ts'
import { openBatch } from './take.ts'

const open = openOnce()

/**
 * Wake-ups of the lane `tasks` from SQS; those of the long one need a worker process. The event source mapping has `ReportBatchItemFailures`, and a function's time of
 * 15 minutes; jobs are done one after another, for the function's memory is that of one. What fails comes again after the
 * queue's visibility, and sooner from the sweeper; what is no wake-up goes with its last delivery to the dead letters.
 */
export async function handler(event: SQSEvent, context: Context): Promise<SQSBatchResponse> {
  const doing = await open()
  return await asInvocation(doing, context, async () => await takeAll(doing, event, context))
}

async function takeAll(doing: OpenFunction, { Records }: SQSEvent, context: Context): Promise<SQSBatchResponse> {
  const take = openBatch(doing, () => context.getRemainingTimeInMillis())
  const batchItemFailures: SQSBatchResponse['batchItemFailures'] = []
  for (const { messageId, body } of Records) {
    try {
      const wakeUp = readWakeUp(body)
      if (wakeUp) await take(wakeUp)
      else throw new Error('not a wake-up')
    } catch (error) {
      doing.log.warn({ message: messageId, error }, 'wake-up failed; SQS brings it again')
      batchItemFailures.push({ itemIdentifier: messageId })
    }
  }
  return { batchItemFailures }
}
