import { createHash } from 'node:crypto'
import { S3Client } from '@aws-sdk/client-s3'
import type { Chance, Clock } from '../media/clock.ts'
import { type Doing, isTransient, s3Error } from './s3-errors.ts'

/** Where S3 is and how it is reached; credentials come the SDK's usual way: environment, profile, role. */
export interface S3Address {
  /** None: Amazon's, of the region. */
  endpoint?: string | undefined
  /** What browsers reach; the same when not given. */
  publicEndpoint?: string | undefined
  region?: string | undefined
  /** `host/bucket/key` and not `bucket.host/key`. */
  pathStyle: boolean
}

export interface S3 {
  /** Runs a request, and again when it may be answered next time. @throws MediaError as `s3Error` says; the signal's reason */
  run<T>(asked: Doing, request: Request<T>, options?: RunOptions): Promise<T>
  close(): void
}

/** Makes the request anew each time that it is run. */
export type Request<T> = (client: S3Client, options: { abortSignal: AbortSignal }) => Promise<T>

export interface RunOptions {
  signal?: AbortSignal | undefined
  attempts?: number
}

const usualAttempts = 5
const firstPause = 200
const longestPause = 10_000
/** Milliseconds for a connection, and for which one may be silent. */
const connectionTimeout = 5_000
const socketTimeout = 30_000
/** Slow readers hold a connection each. */
const maxSockets = 512

export function makeClient({ endpoint, region, pathStyle }: Omit<S3Address, 'publicEndpoint'>): S3Client {
  const agent = { keepAlive: true, maxSockets }
  const client = new S3Client({
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined || endpoint !== undefined ? { region: region ?? 'us-east-1' } : {}),
    forcePathStyle: pathStyle,
    // The default puts a checksum of no bytes into presigned addresses, and trailers that not every server takes.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: 1,
    requestHandler: { connectionTimeout, socketTimeout, httpAgent: agent, httpsAgent: agent },
  })
  addContentMd5(client)
  return client
}

/** Requests whose body is a text carry its MD5: some servers take none without, and all look after it. */
function addContentMd5(client: S3Client): void {
  client.middlewareStack.add(
    (next) => async (given) => {
      const { body, headers } = given.request as { body?: unknown; headers: Record<string, string> }
      const isText = typeof body === 'string' && body !== ''
      if (isText) headers['content-md5'] = createHash('md5').update(body).digest('base64')
      return await next(given)
    },
    { step: 'build', name: 'addContentMd5' },
  )
}

export function openS3(client: S3Client, { clock, chance }: { clock: Clock; chance: Pick<Chance, 'random'> }): S3 {
  return {
    run: async (asked, request, { signal, attempts = usualAttempts } = {}) => {
      for (let attempt = 1; ; attempt++) {
        signal?.throwIfAborted()
        try {
          return await request(client, { abortSignal: signal ?? new AbortController().signal })
        } catch (error) {
          if (signal?.aborted) throw signal.reason
          if (attempt >= attempts || !isTransient(error)) throw s3Error(error, asked)
        }
        // Full jitter: those who failed together do not come back together.
        await clock.sleep(chance.random() * Math.min(longestPause, firstPause * 2 ** attempt), signal)
      }
    },
    close: () => client.destroy(),
  }
}

export function unquote(etag: string | undefined): string {
  return (etag ?? '').replace(/^"(.*)"$/, '$1')
}
