import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Rendition } from '../../media/record.ts'
import type { CutTask, Playable, Processed } from '../process.ts'
import { run, type Testbed } from '../testbed.test.ts'

/** Films of some seconds, cut every two to four of them, against the same films made in one piece. */

/** Of the testbed. */
export const cutEarly = { VIDEO_SEGMENT_SECONDS: '3', VIDEO_PRESET: 'superfast' }
export const signal = new AbortController().signal

/** Has ffmpeg make a source. */
export const draw = (...args: string[]) =>
  run('ffmpeg', ['-nostdin', '-hide_banner', '-loglevel', 'error', '-y', '-bitexact', ...args])
export const picture = (rate: string, size = '1312x320', seconds = 14) => [
  ...['-f', 'lavfi', '-i', `testsrc2=s=${size}:r=${rate}:d=${seconds}`],
]
export const sound = (seconds = 14) => ['-f', 'lavfi', '-i', `sine=440:r=48000:d=${seconds}`, '-c:a', 'aac']

async function makeBoth(
  bed: Testbed,
  path: string,
): Promise<{ one: Processed; cut: Processed; early: Playable | null }> {
  const record = await bed.store(path, { media_type: 'video' })
  const task = { record, signal, onProgress: () => {} }
  const one = await bed.processor.process({ ...task, token: 1 })
  const tokens = await makeSegments(bed, task)
  let early: Playable | null = null
  const onPlayable = async (playable: Playable) => void (early = playable)
  const cut = await bed.processor.processOrCut({ ...task, token: 3, segments: { plan: 2, tokens }, onPlayable })
  assert.ok(!('segments' in cut))
  return { one, cut, early }
}

/** Each by an attempt of its own. */
export async function makeSegments(
  bed: Testbed,
  task: Pick<CutTask, 'record' | 'signal' | 'onProgress'>,
): Promise<number[]> {
  const made = await bed.processor.processOrCut({ ...task, token: 2, segments: null })
  assert.ok('segments' in made, 'it was not cut')
  const tokens = Array.from({ length: made.segments }, (_, n) => n + 1)
  for (const [n, token] of tokens.entries()) {
    await bed.processor.processSegment({ ...task, token, segment: { plan: 2, n } })
  }
  return tokens
}

const packets = async (path: string, stream: 'v' | 'a') =>
  (
    await run('ffprobe', [
      ...['-loglevel', 'error', '-select_streams', stream, '-show_entries', 'packet=pts,dts,duration,flags'],
      ...['-of', 'csv=p=0', path],
    ])
  ).split('\n')

/** Names and times of all streams, as a player reads them. */
async function streams(
  bed: Testbed,
  made: Processed,
): Promise<Record<string, { playlist: string; pictures: string[] }>> {
  const master = await bed.pathOf(made, 'hls')
  const names = (await readFile(master, 'utf8')).match(/^\w+\.m3u8$/gm) ?? []
  const found: Record<string, { playlist: string; pictures: string[] }> = {}
  for (const name of [...names, 'audio.m3u8']) {
    const playlist = await readFile(join(dirname(master), name), 'utf8').catch(() => '')
    const parts = playlist.match(/[\w-]+\.(?:mp4|m4s)/g) ?? []
    const whole = join(bed.folder, 'whole.mp4')
    const bytes = await Promise.all(parts.map((part) => readFile(join(dirname(master), part))))
    await writeFile(whole, Buffer.concat(bytes))
    const times = playlist === '' ? [] : await packets(whole, name === 'audio.m3u8' ? 'a' : 'v')
    found[name] = { playlist, pictures: times }
  }
  return found
}

export async function expectSame(bed: Testbed, path: string): Promise<void> {
  const { one, cut, early } = await makeBoth(bed, path)
  assert.equal(early?.processed_s3_url, cut.processed_s3_url, 'playable')
  const plain = ({ renditions, warnings, width, height }: Processed) => {
    // The storyboard of a cut film is made of key frames: where they are rare it has fewer pictures.
    const sizeOf = ({ name, ...one }: Rendition) => (name === 'storyboard' ? [] : [one.width, one.height])
    return { of: renditions.map((one) => [one.name, ...sizeOf(one)]), warnings, width, height }
  }
  assert.deepEqual(plain(cut), plain(one))
  const lasts = ({ renditions, duration }: Processed) => [duration, ...renditions.map((one) => one.duration)]
  // The last sound of a copy is a tick longer or shorter.
  for (const [at, seconds] of lasts(one).entries()) assert.ok(Math.abs((seconds ?? 0) - (lasts(cut)[at] ?? 0)) < 0.005)
  const times = async (made: Processed, stream: 'v' | 'a') =>
    shownIn(await packets(await bed.pathOf(made, '720p'), stream))
  const frames = await times(one, 'v')
  assert.deepEqual(await times(cut, 'v'), frames)
  assert.deepEqual(await times(cut, 'a'), await times(one, 'a'))
  assert.ok((await worstLikeness(bed, cut, one)) > 0.9)
  assert.ok((await worstColours(bed, cut, one)) > 30, 'the same colours')
  assert.deepEqual(await colours(bed, cut), await colours(bed, one))
  const [expected, found] = [await streams(bed, one), await streams(bed, cut)]
  assert.deepEqual(Object.keys(found), Object.keys(expected))
  for (const [name, { playlist, pictures }] of Object.entries(expected)) {
    assert.deepEqual(lengths(found[name]?.playlist ?? ''), lengths(playlist), name)
    const shown = shownIn(found[name]?.pictures ?? [])
    assert.deepEqual(shown, name === 'audio.m3u8' ? shownIn(pictures) : frames, name)
  }
}

/** Of the two that are least alike, frame by frame (SSIM): one that stands at another's place is not. */
async function worstLikeness(bed: Testbed, found: Processed, expected: Processed): Promise<number> {
  const [path, other] = [await bed.pathOf(found, '720p'), await bed.pathOf(expected, '720p')]
  const said = await run('ffmpeg', [
    ...['-loglevel', 'error', '-i', path, '-i', other, '-lavfi', 'ssim=stats_file=-', '-f', 'null', '-'],
  ])
  return Math.min(...(said.match(/(?<=All:)\d\.\d+/g) ?? []).map(Number))
}

/** Of the two whose light or colours are least alike (PSNR, in dB): ones that were read another way are some 15 dB apart. */
async function worstColours(bed: Testbed, found: Processed, expected: Processed): Promise<number> {
  const [path, other] = [await bed.pathOf(found, '720p'), await bed.pathOf(expected, '720p')]
  const said = await run('ffmpeg', [
    ...['-loglevel', 'error', '-i', path, '-i', other, '-lavfi', 'psnr=stats_file=-', '-f', 'null', '-'],
  ])
  return Math.min(...(said.match(/(?<=psnr_[yuv]:)\d+\.\d+/g) ?? []).map(Number))
}

/** As the file tells them to players. */
async function colours(bed: Testbed, made: Processed): Promise<string> {
  const asked = 'stream=pix_fmt,color_range,color_space,color_transfer,color_primaries'
  const path = await bed.pathOf(made, '720p')
  return await run('ffprobe', ['-loglevel', 'error', '-select_streams', 'v', '-show_entries', asked, path])
}

/** Of a stream's segments, to a hundredth of a second: how long a last frame lasts is a guess. */
function lengths(playlist: string): string[] {
  return playlist.match(/(?<=#EXTINF:)\d+\.\d\d|(?<=\n)[\w-]+\.m4s/g) ?? []
}

/** When frames are shown, in order. */
function shownIn(lines: readonly string[]): number[] {
  return lines
    .filter((line) => line !== '')
    .map((line) => Number(line.split(',')[0]))
    .sort((a, b) => a - b)
}
