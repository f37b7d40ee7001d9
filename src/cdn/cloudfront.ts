import { CloudFrontClient, CreateInvalidationCommand } from '@aws-sdk/client-cloudfront'
import { MediaError } from '../media/errors.ts'
import type { Cdn, Forgetting } from './port.ts'

/** Milliseconds, the SDK's own retries included. */
const limit = 20_000
const connectionTimeout = 3_000
const requestTimeout = 10_000

/**
 * Tells a distribution of CloudFront what to forget, by an invalidation of one wildcard path.
 *
 * For operators: it needs cloudfront:CreateInvalidation on the distribution, and credentials the SDK's usual way. CloudFront carries
 * an order out within minutes; it takes fifteen wildcards at a time for a distribution (a quota that AWS can raise) and refuses
 * more, which is then tried again. A thousand paths a month are free, then each costs money.
 * Its endpoint is another by `AWS_ENDPOINT_URL_CLOUDFRONT`.
 */
export function openCloudFront(DistributionId: string): Cdn & Forgetting {
  const client = new CloudFrontClient({
    // CloudFront is one for all regions, and lives in this one.
    region: 'us-east-1',
    retryMode: 'standard',
    maxAttempts: 4,
    requestHandler: { connectionTimeout, requestTimeout, throwOnRequestTimeout: true },
  })

  return {
    forget: async ({ folder, reference: CallerReference, signal }) => {
      const Paths = { Quantity: 1, Items: [`/${folder}/*`] }
      const command = new CreateInvalidationCommand({ DistributionId, InvalidationBatch: { CallerReference, Paths } })
      const patience = AbortSignal.timeout(limit)
      try {
        await client.send(command, { abortSignal: AbortSignal.any([signal, patience]) })
      } catch (error) {
        if (signal.aborted) throw signal.reason
        throw patience.aborted
          ? new MediaError('unavailable', `CloudFront gave no answer within ${limit / 1_000} s`, { cause: error })
          : refusalOf(error as Error, DistributionId)
      }
    },
    close: async () => client.destroy(),
  }
}

const busy = /^(TooManyInvalidationsInProgress|Throttling|ThrottlingException|RequestLimitExceeded|TooManyRequests.*)$/

const hints: Record<string, string> = {
  NoSuchDistribution: '; CDN_DISTRIBUTION_ID names it',
  AccessDenied: '; this process needs cloudfront:CreateInvalidation on it',
}

function refusalOf(error: Error, distributionId: string): MediaError {
  const { name, message } = error
  const words = `CloudFront: invalidating in ${distributionId} failed: ${name}: ${message}${hints[name] ?? ''}`
  return new MediaError(busy.test(name) ? 'slow_down' : 'unavailable', words, { cause: error })
}
