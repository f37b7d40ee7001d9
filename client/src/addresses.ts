import type { SignedPart } from './contract.ts'
import { MediaClientError } from './errors.ts'

/** Signed addresses of parts, asked for in batches before they are needed. */
export interface Addresses {
  /** The address of a part. @throws what `sign` throws */
  of(part_number: number): Promise<string>
  /** The next request for this part asks for a fresh one. */
  drop(part_number: number): void
  /** The store refused this one: those signed with it or before it have expired too. */
  dropLike(url: string): void
}

interface Options {
  sign(part_numbers: number[]): Promise<readonly SignedPart[]>
  /** Signed when the upload began. */
  first: readonly SignedPart[]
  /** Parts still to be sent, the next one first; shrinks. */
  waiting: readonly number[]
  /** Addresses to have ready. */
  ahead: number
}

/** Parts signed at once. */
const batchSize = 100
/** Milliseconds that an address is used for: it may live for an hour. */
const freshFor = 20 * 60_000

interface Ready {
  url: string
  batch: number
  until: number
}

export function openAddresses({ sign, first, waiting, ahead }: Options): Addresses {
  const ready = new Map<number, Ready>()
  let batch = 0
  let signing: Promise<void> | null = null

  function take(parts: readonly SignedPart[]): void {
    batch++
    for (const { part_number, url } of parts) ready.set(part_number, { url, batch, until: Date.now() + freshFor })
  }

  function freshOf(part_number: number): string | null {
    const found = ready.get(part_number)
    return found && found.until > Date.now() ? found.url : null
  }

  function signNext(asked: number[]): Promise<void> {
    const next = waiting.slice(0, batchSize).filter((part_number) => freshOf(part_number) === null)
    const numbers = [...new Set([...asked, ...next])].slice(0, batchSize)
    const work = async () => take(numbers.length ? await sign(numbers) : [])
    signing = work().finally(() => {
      signing = null
    })
    return signing
  }

  async function of(part_number: number): Promise<string> {
    for (;;) {
      const url = freshOf(part_number)
      if (url !== null) {
        const short = waiting.slice(0, ahead).some((next) => freshOf(next) === null)
        // What goes wrong here comes back to whoever needs the address.
        if (short && !signing) signNext([]).catch(() => {})
        return url
      }
      if (signing) {
        await signing.catch(() => {})
        continue
      }
      await signNext([part_number])
      if (freshOf(part_number) === null) throw unsigned(part_number)
    }
  }

  take(first)
  return {
    of,
    drop: (part_number) => void ready.delete(part_number),
    dropLike: (url) => {
      const refused = [...ready.values()].find((one) => one.url === url)
      for (const [part_number, one] of ready) if (one.batch <= (refused?.batch ?? 0)) ready.delete(part_number)
    },
  }
}

function unsigned(part_number: number): MediaClientError {
  return new MediaClientError(
    'invalid_plan',
    `The service signed no address for part ${part_number}. Tell its operator.`,
  )
}
