import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { ServedFrom } from '../media/measured.ts'
import type { Storage } from './cache/storage.ts'
import type { Reply, Request } from './stream.ts'

/** Figures of an edge that has a process to itself. They name no media and no address. */
export interface EdgeFigures {
  onServed(from: ServedFrom): void
  /** What lies behind the edge failed, or gave no answer. */
  onOriginError(): void
  /** Is to be called before anything is written to the reply. */
  count(request: Request, reply: Reply): void
  /** In the text format of Prometheus. */
  text(): Promise<string>
  contentType: string
}

/** @param storage what is kept on this disk; absent where the store itself lies on it */
export function openEdgeFigures({ storage }: { storage?: Pick<Storage, 'bytes' | 'limit'> | undefined }): EdgeFigures {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const counter = <L extends string = never>(name: string, help: string, labelNames: L[] = []) =>
    new Counter({ name, help, labelNames, registers: [registry] })
  const requests = counter('media_edge_requests_total', 'Requests that the edge answered, by class of status.', [
    'status',
  ])
  const sent = counter('media_edge_sent_bytes_total', 'Bytes of bodies handed to readers.')
  const replies = counter('media_edge_replies_total', 'Replies of the edge, by where it had them from.', ['from'])
  const errors = counter('media_edge_origin_errors_total', 'Times that the store or origin behind the edge failed.')
  if (storage) addDiskFigures(registry, storage)
  return {
    onServed: (from) => replies.inc({ from }),
    onOriginError: () => errors.inc(),
    count: (request, reply) => {
      countBytes(request, reply, (bytes) => sent.inc(bytes))
      reply.once('close', () => {
        // Who goes before there is an answer was given none.
        const status = reply.headersSent ? `${Math.floor(reply.statusCode / 100)}xx` : 'none'
        requests.inc({ status })
      })
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  }
}

function addDiskFigures(registry: Registry, storage: Pick<Storage, 'bytes' | 'limit'>): void {
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      ...{ name, help, registers: [registry] },
      collect() {
        this.set(read())
      },
    })
  gauge('media_edge_cache_bytes', 'Bytes of the cache on disk.', storage.bytes)
  gauge('media_edge_cache_limit_bytes', 'Bytes that it may have: EDGE_CACHE_BYTES.', () => storage.limit)
}

/** Bodies are of a known length or not, and readers leave: what counts is what is written. */
function countBytes({ httpVersionMajor }: Request, reply: Reply, add: (bytes: number) => void): void {
  const given = reply as { write(...args: unknown[]): boolean; end(...args: unknown[]): unknown }
  const [write, end] = [given.write.bind(reply), given.end.bind(reply)]
  given.write = (...args) => {
    add(lengthOf(args[0]))
    return write(...args)
  }
  // Of HTTP/2, `end` hands its bytes to `write`.
  if (httpVersionMajor >= 2) return
  given.end = (...args) => {
    add(lengthOf(args[0]))
    return end(...args)
  }
}

function lengthOf(chunk: unknown): number {
  return typeof chunk === 'string' || chunk instanceof Uint8Array ? Buffer.byteLength(chunk) : 0
}
