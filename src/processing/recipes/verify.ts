import { MediaError } from '../../media/errors.ts'
import type { Account } from '../tools/ffmpeg.ts'
import { openLeft } from '../tools/left.ts'
import type { Facts } from '../tools/probe.ts'

/**
 * Exit code 0 proves nothing. A source is
 *
 * - `undecodable` when nothing became a frame, or the decoder refused or had to guess half of it;
 * - `damaged` (a warning) when that is one in fifty;
 * - `output_mismatch` when less than half of what its index declares is there;
 * - `truncated` (a warning) when more is there, but not all.
 *
 * Fewer frames than packets alone prove nothing: an edit list hides some, and sound starts with a few that are dropped.
 */
export function judgeDecoding(given: {
  account: Account
  stream: number
  /** Packets the source's index declares. */
  declared?: number | null
}): { bad: number; warnings: string[] } {
  const { account, stream, declared = null } = given
  const { packets = 0, frames = 0 } = account.inputs.get(stream) ?? {}
  const bad = Math.max(account.refused.get(stream) ?? 0, account.concealed)
  if (frames === 0 || bad >= packets * 0.5) {
    throw new MediaError('undecodable', `${frames} frames of ${packets} packets, of which ${bad} were bad`)
  }
  const isShort = declared !== null && packets < declared * 0.97 - 1
  if (isShort && packets < declared * 0.5) {
    throw new MediaError('output_mismatch', `only ${packets} of ${declared} declared packets are there`)
  }
  const damaged = bad > packets * 0.02
  const truncated = isShort || account.cutShort
  return { bad, warnings: [...(damaged ? ['damaged'] : []), ...(truncated ? ['truncated'] : [])] }
}

/** @throws MediaError `output_mismatch` when an output is not what was to be made. */
export function expectOutput(what: string, holds: boolean): void {
  if (!holds) throw new MediaError('output_mismatch', `the output is not as planned: ${what}`)
}

/** Whether an MP4's index stands before its data, so that it plays while it loads. */
export async function startsFast(path: string): Promise<boolean> {
  return (await readIndex(path)) !== null
}

/** Seconds that an MP4 of ours lasts, as its index says, which is its first. @throws MediaError `output_mismatch` */
export async function secondsOf(path: string): Promise<number> {
  const index = await readIndex(path)
  // ISO/IEC 14496-12, 8.2.2: a movie header of version 1 has times of 64 bits.
  if (index?.toString('latin1', 12, 16) !== 'mvhd') throw new MediaError('output_mismatch', 'an MP4 without a header')
  const [scale, duration] =
    index[16] === 1
      ? [index.readUInt32BE(36), Number(index.readBigUInt64BE(40))]
      : [index.readUInt32BE(28), index.readUInt32BE(32)]
  return Math.round((duration / scale) * 1000) / 1000
}

/** The beginning of an MP4's index; null when it does not come before the data. */
async function readIndex(path: string): Promise<Buffer | null> {
  const file = await openLeft(path)
  try {
    const head = Buffer.alloc(48)
    for (let at = 0; (await file.read(head, 0, head.length, at)).bytesRead >= 16; ) {
      const type = head.toString('latin1', 4, 8)
      if (type === 'moov') return head
      const size = head.readUInt32BE(0)
      if (type === 'mdat' || size < 8) return null
      at += size
    }
    return null
  } finally {
    await file.close()
  }
}

/** Checks of every MP4 we make; seconds it lasts. */
export function durationOf({ duration }: Facts): number {
  if (duration === null) throw new MediaError('output_mismatch', 'the output has no duration')
  return Math.round(duration * 1000) / 1000
}
