import { MediaError } from '../../media/errors.ts'
import { inputLists } from './probe.ts'
import type { Runner } from './run.ts'
import type { Limits } from './sandbox.ts'

/** What a run of ffmpeg really read, decoded and made, by its own account. */
export interface Account {
  /** By the index of the source's stream. */
  inputs: Map<number, { packets: number; frames: number; samples: number }>
  /** By the number of the output file: packets written, by kind. */
  outputs: Map<number, { video: number; audio: number }>
  /** Packets that a decoder refused, by the index of the source's stream. */
  refused: Map<number, number>
  /** Pictures whose missing parts were guessed. */
  concealed: number
  /** The container ended before its index said so. */
  cutShort: boolean
}

export interface FfmpegRun {
  runner: Runner
  ffmpeg: string
  folder: string
  /** The source. */
  path: string
  /** Names of the decoders it may open. */
  decoders: readonly string[]
  /** Options of the source, before it. */
  inputOptions?: readonly string[]
  /** All that follows the source: filters and outputs. */
  outputs: readonly string[]
  threads: number
  limits: Limits
  signal: AbortSignal
  /** Seconds of the output made so far. */
  onTime?: (seconds: number) => void
  onOutput?: (chunk: Buffer) => void
  /** Each line that ffmpeg says. */
  onLine?: (line: string) => void
}

/**
 * Runs ffmpeg on one file.
 * @throws MediaError `undecodable` when ffmpeg gives up, or what `Runner.run` throws.
 */
export async function runFfmpeg(run: FfmpegRun): Promise<Account> {
  const { runner, ffmpeg, folder, path, decoders, inputOptions = [], outputs, threads, limits, signal } = run
  const account: Account = { inputs: new Map(), outputs: new Map(), refused: new Map(), concealed: 0, cutShort: false }
  const args = [
    ...['-nostdin', '-hide_banner', '-nostats', '-y', '-loglevel', 'repeat+level+verbose'],
    ...['-progress', 'pipe:2', '-stats_period', '0.5', '-filter_complex_threads', String(threads)],
    ...inputLists(decoders.join(',')),
    ...['-threads', String(threads), ...inputOptions, '-i', `file:${path}`],
    ...outputs,
  ]
  const { exitCode, stderr } = await runner.run({
    program: ffmpeg,
    args,
    folder,
    reads: [path],
    limits,
    signal,
    onLine: (line) => {
      note(line, account, run.onTime)
      run.onLine?.(line)
    },
    ...(run.onOutput ? { onOutput: run.onOutput } : {}),
  })
  if (exitCode !== 0) throw new MediaError('undecodable', `ffmpeg ended with ${exitCode}: ${stderr}`)
  return account
}

/** Options of an output that carry nothing of the sender's, nor of the tool's, into it. */
export const anonymous = [
  ...['-map_metadata', '-1', '-map_metadata:s', '-1', '-map_chapters', '-1', '-dn', '-sn'],
  ...['-fflags', '+bitexact', '-flags:v', '+bitexact', '-flags:a', '+bitexact', '-max_muxing_queue_size', '4096'],
]

const inputLine =
  /Input stream #0:(\d+).*?: (\d+) packets read \(\d+ bytes\);(?: (\d+) frames decoded)?(?:.*?\((\d+) samples\))?/
const outputLine = /Output stream #(\d+):\d+ \((video|audio)\):.*?(\d+) packets muxed/
/** ffmpeg 5 says it packet by packet, later ones also in the account at the end. */
const refusedLine =
  /(?:Error while decoding stream #0:|\[(?:vist|aist|dec:\w+)#0:)(\d+)(?=[: /]).*(?:Invalid data|rror)/
const refusedSum = /Input stream #0:(\d+).*?(\d+) decode errors/
const concealedLine = /concealing \d+ DC/
const endsEarly = /\[(?:error|warning)\].*(?:partial file|ended prematurely|[Tt]runcated|Packet corrupt)/

/** ffmpeg's report of what it wrote, and the filter `showinfo`'s of what passed it. */
const timeLine = /^out_time_us=(\d+)$|\[Parsed_showinfo.* pts_time:(\d+(?:\.\d+)?)/

function note(line: string, account: Account, onTime?: (seconds: number) => void): void {
  const time = timeLine.exec(line)
  if (time) return onTime?.(time[1] ? Number(time[1]) / 1e6 : Number(time[2]))
  const input = inputLine.exec(line)
  if (input) {
    const [packets = 0, frames = 0, samples = 0] = input.slice(2).map((count) => Number(count ?? 0))
    account.inputs.set(Number(input[1]), { packets, frames, samples })
    const sum = refusedSum.exec(line)?.[2]
    if (sum) account.refused.set(Number(input[1]), Number(sum))
    return
  }
  const output = outputLine.exec(line)
  if (output) {
    const sums = account.outputs.get(Number(output[1])) ?? { video: 0, audio: 0 }
    sums[output[2] as 'video' | 'audio'] += Number(output[3])
    account.outputs.set(Number(output[1]), sums)
    return
  }
  const refused = refusedLine.exec(line)
  if (refused) account.refused.set(Number(refused[1]), (account.refused.get(Number(refused[1])) ?? 0) + 1)
  if (concealedLine.test(line)) account.concealed++
  if (endsEarly.test(line)) account.cutShort = true
}
