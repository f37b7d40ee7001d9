import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MediaError } from '../../media/errors.ts'
import { mostSegments } from '../../media/segments.ts'
import { decodersOfFile } from '../tools/codecs.ts'
import { type Account, runFfmpeg } from '../tools/ffmpeg.ts'
import type { Shelf, VideoWorkbench } from './recipe.ts'
import { type FilmCut, type Packet, planWindows, type WindowPiece } from './segments-plan.ts'
import { longEnough, type VideoPlan } from './video-plan.ts'

export const cutFile = 'film.json'

export function pieceFile(n: number): string {
  return `piece-${n}.mov`
}

export function windowFile(n: number): string {
  return `window-${n}.json`
}

/** Codecs that can be copied into an MP4, or else a QuickTime file, with all that decoding them takes. */
const mp4 = ['h264', 'hevc', 'av1', 'vp9', 'mpeg4', 'mpeg2video']
const quickTime = ['prores', 'dnxhd', 'mjpeg']
/** Packets of the longest film that is cut: nine hours at 30 frames a second. The list of them is held in memory. */
const packetLimit = 1_000_000
const broken = 0x2 | 0x4

/** Whether a film is long enough for its windows to be made by themselves, and nothing is known to be in the way. */
export function isToBeCut({ how, closest, duration, video, hls }: VideoPlan, seconds: number): boolean {
  const isKnown = [...mp4, ...quickTime].includes(video.codec)
  return (
    seconds > 0 && how === 'encode' && hls && isKnown && closest === null && (duration ?? 0) >= longEnough * seconds
  )
}

/**
 * Cuts the source into a piece for each window, without decoding anything, and lays all on the shelf that their making
 * needs. Resolves with the number of segments; with 0 when the film cannot be cut.
 */
export async function cutFilm(
  workbench: VideoWorkbench,
  { plan, notes }: Pick<FilmCut, 'plan' | 'notes'>,
  shelf: Shelf,
): Promise<number> {
  const { settings, facts, newFolder } = workbench
  const seconds = plan.duration ?? 0
  const sound = plan.sounds.length > 0 ? 1 : 0
  const listed = await listPackets(workbench, plan)
  if (!listed) return 0
  const { timeBase, packets } = listed
  const count = Math.min(mostSegments - sound, Math.ceil(seconds / settings.segmentSeconds))
  const delay = settings.preset === 'ultrafast' ? 0 : 2
  const pieces = planWindows(packets, { timeBase, count, seconds, delay, interlaced: plan.video.interlaced })
  if (!pieces) return 0
  const folder = await newFolder('cut')
  for (const [n, piece] of pieces.entries()) {
    const pieceStart = await cutPiece(workbench, { plan, n, piece, folder, ...listed })
    if (pieceStart === null) return 0
    await writeFile(join(folder, windowFile(n)), JSON.stringify({ ...piece.window, pieceStart }))
    for (const file of [pieceFile(n), windowFile(n)]) {
      await shelf.put(file, join(folder, file))
      await rm(join(folder, file))
    }
  }
  const windows = pieces.length
  const cut: FilmCut = { plan, facts, notes, windows, frames: packets.length, preset: settings.preset }
  await writeFile(join(folder, cutFile), JSON.stringify(cut))
  await shelf.put(cutFile, join(folder, cutFile))
  return windows + sound
}

interface Listed {
  timeBase: readonly [number, number]
  packets: Packet[]
}

/** Null when something is wrong with the file, or it does not say when its frames are shown. */
async function listPackets(workbench: VideoWorkbench, plan: VideoPlan): Promise<Listed | null> {
  const list = openList()
  const account = await copyPicture(workbench, plan, { ...list, outputs: listing(plan) })
  const { timeBase, packets, isWhole } = list.end()
  const declared = plan.video.frames
  const isShort = declared !== null && packets.length < declared * 0.97 - 1
  return timeBase === null || !isWhole || isShort || account.cutShort ? null : { timeBase, packets }
}

function listing({ video, sounds }: VideoPlan): string[] {
  const picture = ['-map', `0:${video.index}`, '-c', 'copy', '-copytb', '1', '-f', 'framecrc', 'pipe:1']
  return [...picture, ...alsoRead(sounds)]
}

/** Of a transport stream ffmpeg takes the time at which the streams begin that are read, so all runs must read the same. */
export function alsoRead(streams: readonly { index: number }[]): string[] {
  const maps = streams.flatMap(({ index }) => ['-map', `0:${index}`])
  return maps.length === 0 ? [] : [...maps, '-c', 'copy', '-f', 'null', '-']
}

function markOf(size = '', sum = ''): number {
  return Number(size) * 2 ** 32 + Number(sum)
}

/** Reads what ffmpeg's `framecrc` says of each packet: stream, dts, pts, duration, size, sum, and flags of all but plain key frames. */
function openList() {
  const packets: Packet[] = []
  let timeBase: [number, number] | null = null
  let isWhole = true
  let rest = ''
  const take = (line: string) => {
    const base = /^#tb 0: (\d+)\/(\d+)$/.exec(line)
    if (base) timeBase = [Number(base[1]), Number(base[2])]
    const packet = /^0, *(?:-?\d+|NOPTS), *(-?\d+|NOPTS), *\d+, *(\d+), (0x[0-9a-f]+)(?:, F=(0x[0-9A-F]+))?/.exec(line)
    if (!packet) return
    const [, pts, size, sum, flags] = packet
    const flag = flags === undefined ? 1 : Number(flags)
    if (pts === 'NOPTS' || Number(pts) < 0 || flag & broken || packets.length >= packetLimit) isWhole = false
    else packets.push({ pts: Number(pts), isKey: (flag & 1) === 1, mark: markOf(size, sum) })
  }
  return {
    onOutput: (chunk: Buffer) => {
      const lines = (rest + chunk.toString('latin1')).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) take(line)
    },
    end: () => {
      take(rest)
      return { timeBase: timeBase as [number, number] | null, packets, isWhole }
    },
  }
}

/**
 * Resolves with the tick at which the piece begins: seeking, which is a matter of the container, may find an earlier key
 * frame than the one that was meant. Null when what was cut does not hold the packets that it is to hold.
 */
async function cutPiece(
  workbench: VideoWorkbench,
  given: { plan: VideoPlan; n: number; piece: WindowPiece; folder: string } & Listed,
): Promise<number | null> {
  const { plan, n, piece, folder, timeBase, packets } = given
  const { firstPacket, lastPacket } = piece
  const inSeconds = (pts: number) => (pts * timeBase[0]) / timeBase[1]
  const from = inSeconds(packets[firstPacket]?.pts ?? 0)
  const until = inSeconds(packets.slice(firstPacket, lastPacket + 1).reduce((most, { pts }) => Math.max(most, pts), 0))
  const marks: number[] = []
  let rest = ''
  const input = from === 0 ? [] : ['-ss', from.toFixed(6)]
  const length = ['-t', (until - from + 0.5).toFixed(6)]
  const format = mp4.includes(plan.video.codec) ? 'mp4' : 'mov'
  const copy = ['-map', `0:${plan.video.index}`, '-c', 'copy', ...length]
  await copyPicture(workbench, plan, {
    folder,
    input,
    outputs: [
      ...copy,
      ...['-map_metadata', '-1', '-map_chapters', '-1', '-bsf:v', 'setts=pts=PTS-STARTPTS:dts=DTS-STARTPTS'],
      ...['-f', format, `file:${pieceFile(n)}`],
      ...[...copy, '-copytb', '1', '-f', 'framecrc', 'pipe:1'],
    ],
    onOutput: (chunk) => {
      const lines = (rest + chunk.toString('latin1')).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        const found = /^0, *\S+, *\S+, *\d+, *(\d+), (0x[0-9a-f]+)/.exec(line)
        if (found) marks.push(markOf(found[1], found[2]))
      }
    },
  })
  for (let first = firstPacket; first >= 0; first--) {
    if (packets[first]?.mark !== marks[0] || !packets[first]?.isKey) continue
    const holds = packets.slice(first, lastPacket + 1).every(({ mark }, at) => mark === marks[at])
    if (holds) return packets[first]?.pts ?? null
  }
  return null
}

async function copyPicture(
  { raw, runner, tools, settings, facts, newFolder, signal }: VideoWorkbench,
  plan: VideoPlan,
  given: { folder?: string; input?: string[]; outputs: string[]; onOutput: (chunk: Buffer) => void },
): Promise<Account> {
  const { input = [], outputs, onOutput } = given
  const folder = given.folder ?? (await newFolder('list'))
  return await runFfmpeg({
    ...{ runner, ffmpeg: tools.ffmpeg, folder, path: raw.path, decoders: decodersOfFile(facts), threads: 1, signal },
    inputOptions: input,
    outputs,
    onOutput,
    limits: {
      memory: settings.videoMemory * 1024 ** 2,
      seconds: 120 + raw.size / 2_000_000 + (plan.duration ?? 0) / 20,
      fileBytes: settings.outputMegabytes * 1024 ** 2,
      fewAddresses: true,
      niceness: 19,
    },
  })
}

/** A segment that is not what was planned: the film is then made in one piece. */
export function notAsPlanned(what: string): MediaError {
  return new MediaError('output_mismatch', `the segment is not as planned: ${what}`)
}
