import type { QueueSettings } from './settings.ts'
import type { SqsAddress } from './sqs-client.ts'

/** Where the queues are. @throws Error naming the settings that are missing */
export function sqsAddressOf(settings: QueueSettings): SqsAddress {
  const { sqsUrl, sqsLongUrl, sqsDeadUrl, sqsEndpoint, sqsRegion } = settings
  const needed = { QUEUE_SQS_URL: sqsUrl, QUEUE_SQS_LONG_URL: sqsLongUrl, QUEUE_SQS_DEAD_URL: sqsDeadUrl }
  const missing = Object.entries(needed).flatMap(([name, value]) => (value === undefined ? [name] : []))
  if (sqsUrl === undefined || sqsLongUrl === undefined || sqsDeadUrl === undefined) {
    throw new Error(`QUEUE_DRIVER=sqs needs the addresses of its queues: set ${missing.join(', ')}.`)
  }
  const urls = { tasks: sqsUrl, 'tasks-long': sqsLongUrl }
  if (new Set(Object.values(needed)).size < 3) {
    throw new Error(`${Object.keys(needed).join(', ')} name one queue twice: each needs its own.`)
  }
  return { urls, deadUrl: sqsDeadUrl, endpoint: sqsEndpoint, region: sqsRegion }
}
