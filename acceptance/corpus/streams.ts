import assert from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Manifest, Parser } from 'm3u8-parser'
import sharp from 'sharp'
import { checkByOthers, checkNothingOfTheSender, probe, run } from './outputs.ts'

/** A stream and a storyboard as a player meets them: by signed addresses, one leading to the next. */

export interface Film {
  /** Seconds. */
  duration: number
  /** Of the MP4. */
  frames: number
  width: number
  height: number
}

/** @param address of the master playlist, signed */
export async function checkStream(address: string, film: Film, folder: string): Promise<void> {
  const master = await parse(address)
  const variants = master.playlists ?? []
  assert.ok(variants.length > 0, 'a variant at least')
  for (const { uri, attributes } of variants) {
    const { streams, packets, seconds } = await whole(uri, folder)
    const size = attributes.RESOLUTION as { width: number; height: number }
    const [video, ...others] = streams
    assert.equal(others.length, 0, 'sound lies apart')
    assert.deepEqual([video?.codec_name, video?.width, video?.height], ['h264', size.width, size.height], uri)
    assert.ok(size.width <= Math.max(2, film.width) && size.height <= Math.max(2, film.height), 'not enlarged')
    assert.match(String(attributes.CODECS), codecForm)
    // The first picture stands from the beginning, so that a stream lasts as long as its film.
    assert.ok(Math.abs(seconds - film.duration) < 1.2, `${seconds} s of ${film.duration}`)
    assert.ok(Math.abs(packets - film.frames) <= 1, `${packets} frames of ${film.frames}`)
    assert.ok(Number(attributes.BANDWIDTH) >= Number(attributes['AVERAGE-BANDWIDTH']))
    assert.ok(Number(attributes['FRAME-RATE']) > 0 && Number(attributes['FRAME-RATE']) <= 61)
  }
  for (const group of Object.values(master.mediaGroups?.AUDIO ?? {})) {
    for (const { uri = '' } of Object.values(group)) {
      const { streams } = await whole(uri, folder)
      assert.deepEqual(
        streams.map((one) => one.codec_name),
        ['aac'],
      )
    }
  }
  for (const group of Object.values(master.mediaGroups?.SUBTITLES ?? {})) {
    for (const { uri = '' } of Object.values(group)) {
      const { segments = [] } = await parse(uri)
      for (const segment of segments) assert.match((await get(segment.uri)).toString(), /^WEBVTT\n\n\d\d:/)
    }
  }
}

const codecForm = /^avc1\.(?:42|4d|58|64)[0-9a-f]{4}(?:,mp4a\.40\.2)?$/

/** All of one stream: parsed, fetched, put in a row, decoded. */
async function whole(address: string, folder: string) {
  const { segments = [], targetDuration = 0, endList, playlistType } = await parse(address)
  assert.deepEqual([endList, playlistType, segments.length > 0], [true, 'VOD', true])
  assert.ok(
    segments.every(({ duration }) => Math.round(duration) <= targetDuration),
    'no longer than said',
  )
  const init = await get(segments[0]?.map?.uri ?? '')
  const bodies = []
  for (const { uri } of segments) bodies.push(await get(uri))
  const path = join(folder, `${crypto.randomUUID()}.mp4`)
  await writeFile(path, Buffer.concat([init, ...bodies]))
  try {
    const complaints = await run('ffmpeg', ['-nostdin', '-loglevel', 'error', '-i', path, '-f', 'null', '-'])
    assert.equal(complaints, '', address)
    await checkByOthers(path, 'video/mp4')
    await checkNothingOfTheSender(path, address)
    const { streams } = await probe(path)
    const counted = ['-count_packets', '-show_entries', 'stream=nb_read_packets', '-of', 'csv=p=0', path]
    const packets = Number.parseInt(await run('ffprobe', ['-loglevel', 'error', ...counted]), 10)
    const seconds = segments.reduce((sum, { duration }) => sum + duration, 0)
    return { streams, packets, seconds }
  } finally {
    await rm(path)
  }
}

/** Cue after cue, without a hole, each a piece of a sheet that is there. @param address signed */
export async function checkStoryboard(address: string, { duration }: Film): Promise<void> {
  const text = (await get(address)).toString()
  const cues = [...text.matchAll(/^([\d:.]+) --> ([\d:.]+)\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)$/gm)]
  const every = Math.max(1, Math.ceil(duration / 240))
  assert.ok(cues.length >= 1 && cues.length <= Math.ceil(duration / every) + 1, `${cues.length} cues`)
  const sheets = new Map<string, { width: number; height: number }>()
  let end = 0
  let places = 0
  for (const [, from = '', to = '', sheet = '', ...place] of cues) {
    assert.equal(secondsOf(from), end, 'no hole')
    end = secondsOf(to)
    const size = sheets.get(sheet) ?? (await sharp(await get(sheet)).metadata())
    sheets.set(sheet, size)
    const [x = 0, y = 0, width = 0, height = 0] = place.map(Number)
    assert.ok(x + width <= size.width && y + height <= size.height, 'a piece of its sheet')
    places = (size.width * size.height) / (width * height)
  }
  // Places come in rows of five at the most.
  if (sheets.size === 1) assert.ok(places - cues.length < 5, `${places} places for ${cues.length} pictures`)
  assert.ok(Math.abs(end - duration) < 0.01, `to the end: ${end} of ${duration}`)
}

/** Whether there is anything to see. */
export async function isBlack(path: string): Promise<boolean> {
  const { channels } = await sharp(path).stats()
  return channels.slice(0, 3).every(({ max }) => max < 40)
}

function secondsOf(time: string): number {
  return time.split(':').reduce((sum, part) => sum * 60 + Number(part), 0)
}

async function parse(address: string): Promise<Manifest> {
  const parser = new Parser()
  parser.push((await get(address)).toString())
  parser.end()
  return parser.manifest
}

/** An address in a playlist is whole, and needs neither header nor cookie. */
async function get(address: string): Promise<Buffer> {
  const reply = await fetch(address)
  assert.equal(reply.status, 200, address)
  return Buffer.from(await reply.arrayBuffer())
}
