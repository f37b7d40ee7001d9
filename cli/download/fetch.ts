import type { Download } from '../../client/src/contract.ts'
import { refusalOf, ServiceUnreachable } from '../../client/src/errors.ts'
import { openPatience } from '../../client/src/patience.ts'
import type { Sink } from './sink.ts'

/** Milliseconds to go on trying though no byte comes. */
const retryFor = 60_000

interface Fetching {
  first: Download
  /** A fresh address of the same bytes. */
  address: () => Promise<Download>
  signal: AbortSignal
  onProgress: (bytes: number) => void
}

/**
 * The bytes of a rendition, from where the sink ends; over as many connections as it takes.
 * @returns how many there are
 * @throws MediaServiceError, ServiceUnreachable, the signal's reason
 */
export async function fetchInto(sink: Sink, { first, address, signal, onProgress }: Fetching): Promise<number> {
  const patience = openPatience({ retryFor, signal })
  let { url } = first
  for (let attempt = 0; ; attempt++) {
    const before = sink.size()
    try {
      await fetchRest(sink, url, { signal, onProgress })
      return sink.size()
    } catch (error) {
      if (sink.size() > before) {
        patience.progressed()
        attempt = 0
      }
      await patience.wait(signal.aborted ? signal.reason : error, attempt)
      url = await nextAddress(address, url)
    }
  }
}

/** The last one again while the service is away: it may live longer. */
async function nextAddress(address: () => Promise<Download>, url: string): Promise<string> {
  try {
    const next = await address()
    // Made anew meanwhile: other bytes, which do not go on from these.
    return new URL(next.url).pathname === new URL(url).pathname ? next.url : url
  } catch (error) {
    if (error instanceof ServiceUnreachable) return url
    throw error
  }
}

async function fetchRest(sink: Sink, url: string, given: Pick<Fetching, 'signal' | 'onProgress'>): Promise<void> {
  const { signal, onProgress } = given
  const from = sink.size()
  const response = await reach(url, () => fetch(url, { signal, headers: from > 0 ? { range: `bytes=${from}-` } : {} }))
  const range = /^bytes (?:(\d+)-\d+|\*)\/(\d+)$/.exec(response.headers.get('content-range') ?? '')
  const total = Number(range?.[2] ?? response.headers.get('content-length') ?? Number.NaN)
  if (response.status === 416) {
    await response.body?.cancel()
    if (from === total) return
    await sink.restart()
    throw new ServiceUnreachable(url, new Error('it has fewer bytes than are here'))
  }
  if (!response.ok)
    throw refusalOf({
      status: response.status,
      header: (name) => response.headers.get(name),
      text: await response.text(),
    })
  if (response.status !== 206 || Number(range?.[1]) !== from) await sink.restart()
  const body = response.body ?? new Response('').body
  const reader = body?.getReader()
  for (;;) {
    const read = await reach(url, async () => await reader?.read())
    if (!read?.value) break
    await sink.write(read.value)
    onProgress(sink.size())
  }
  if (Number.isFinite(total) && sink.size() !== total)
    throw new ServiceUnreachable(url, new Error('it ended too early'))
}

async function reach<T>(url: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw new ServiceUnreachable(url, cause)
  }
}
