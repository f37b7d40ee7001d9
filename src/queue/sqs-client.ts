import { SQSClient } from '@aws-sdk/client-sqs'
import { MediaError } from '../media/errors.ts'
import type { Lane } from '../media/jobs.ts'

/** Where the queues are; credentials come the SDK's usual way: environment, profile, role. */
export interface SqsAddress {
  urls: Record<Lane, string>
  /** Takes what is no wake-up, and what was delivered too often. */
  deadUrl: string
  /** None: Amazon's, of the region. */
  endpoint?: string | undefined
  region?: string | undefined
}

/** Runs a request with a limit on its time. @throws MediaError `unavailable`, or the signal's reason */
export type SqsCall = <T>(
  what: string,
  request: (signal: AbortSignal) => Promise<T>,
  options?: CallOptions,
) => Promise<T>

interface CallOptions {
  signal?: AbortSignal
  /** Milliseconds, its retries included. */
  limit?: number
}

/** Milliseconds. */
const usualLimit = 20_000
const connectionTimeout = 3_000
/** Longer than the longest poll. */
const requestTimeout = 30_000

export function makeSqsClient({ urls, endpoint, region }: SqsAddress): SQSClient {
  const found = region ?? regionIn(urls.tasks) ?? (endpoint === undefined ? undefined : 'us-east-1')
  return new SQSClient({
    ...(endpoint !== undefined && { endpoint }),
    ...(found !== undefined && { region: found }),
    // The SDK's own: exponential, full jitter, only what may be answered next time.
    retryMode: 'standard',
    maxAttempts: 4,
    requestHandler: { connectionTimeout, requestTimeout, throwOnRequestTimeout: true },
  })
}

/** Amazon's addresses name their region: `https://sqs.eu-central-1.amazonaws.com/123456789012/name`. */
export function regionIn(url: string): string | undefined {
  return /^https:\/\/sqs\.([a-z0-9-]+)\.amazonaws\.com/.exec(url)?.[1]
}

export const callSqs: SqsCall = async (what, request, { signal, limit = usualLimit } = {}) => {
  const patience = AbortSignal.timeout(limit)
  try {
    return await request(signal ? AbortSignal.any([signal, patience]) : patience)
  } catch (error) {
    if (signal?.aborted) throw signal.reason
    const { name, message } = error as Error
    const missing = /QueueDoesNotExist|NonExistentQueue/.test(name)
    const hint = missing ? '; `npm start -- setup` makes the queues that the settings name' : ''
    const reason = patience.aborted ? `no answer within ${limit / 1_000} s` : `${name}: ${message}`
    throw new MediaError('unavailable', `SQS: ${what} failed: ${reason}${hint}`, { cause: error })
  }
}
