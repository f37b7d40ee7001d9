import { execFile } from 'node:child_process'
import { mkdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Drawing, draw, dunes, ink, leaves, mountains, nebula, sea } from './screens-pictures.ts'

/** Media of every kind for the pictures of the console, made by this machine. */

const run = promisify(execFile)

export interface SampleFile {
  title: string
  path: string
}

const wide = { width: 1620, height: 1080 }
const tall = { width: 1080, height: 1620 }
const broad = { width: 2000, height: 860 }
const square = { width: 1200, height: 1200 }

const drawings: Record<string, Drawing> = {
  'First light over the ridge': {
    ...wide,
    paint: mountains(
      3,
      [
        [86, 112, 190],
        [250, 196, 160],
      ],
      [24, 34, 58],
      [1.05, 0.27],
    ),
  },
  'Nebula, two hours of exposure': {
    ...square,
    paint: nebula(17, [
      [176, 58, 146],
      [70, 170, 235],
    ]),
  },
  'Harbour at dusk': {
    ...wide,
    paint: sea(
      5,
      [
        [68, 74, 132],
        [246, 168, 120],
      ],
      [
        [64, 92, 138],
        [16, 30, 58],
      ],
    ),
  },
  'Dunes near Merzouga': { ...broad, paint: dunes(11, [122, 176, 226], [240, 184, 116], [138, 74, 44]) },
  'Green wall': {
    ...tall,
    paint: leaves(8, [
      [12, 38, 26],
      [58, 142, 74],
      [226, 246, 168],
    ]),
  },
  'Ink study no. 4': {
    ...wide,
    paint: ink(23, [
      [246, 240, 230],
      [22, 60, 110],
      [232, 96, 72],
    ]),
  },
  'Blue hour': {
    ...tall,
    paint: mountains(
      29,
      [
        [18, 30, 74],
        [120, 150, 210],
      ],
      [8, 12, 30],
      [0.36, 0.2],
    ),
  },
  'Ink study no. 7': {
    ...square,
    paint: ink(61, [
      [20, 20, 34],
      [120, 66, 190],
      [250, 206, 120],
    ]),
  },
  'Autumn, out of focus': {
    ...wide,
    paint: leaves(31, [
      [56, 20, 10],
      [208, 104, 34],
      [255, 226, 150],
    ]),
  },
  'Calm sea': {
    ...broad,
    paint: sea(
      13,
      [
        [108, 172, 222],
        [232, 240, 244],
      ],
      [
        [88, 166, 190],
        [18, 78, 112],
      ],
    ),
  },
  'Red planet': { ...wide, paint: dunes(41, [226, 170, 140], [206, 92, 56], [82, 26, 22]) },
  'Orion, close': {
    ...tall,
    paint: nebula(47, [
      [214, 96, 58],
      [90, 110, 240],
    ]),
  },
  'Panorama from the hut at the end of a very long day of walking': {
    ...broad,
    paint: mountains(
      53,
      [
        [150, 196, 224],
        [244, 236, 216],
      ],
      [34, 74, 66],
      [1.7, 0.2],
    ),
  },
}

const speech = '-c:a aac -b:a 96k -shortest'
const h264 = '-c:v libx264 -preset veryfast -crf 20 -pix_fmt yuv420p'
/** By ffmpeg alone. */
const films: Record<string, { name: string; make: string }> = {
  'Into the Mandelbrot set': {
    name: 'mandelbrot.mp4',
    make: `-f lavfi -i mandelbrot=size=1280x720:rate=25:end_scale=0.02:end_pts=220 -f lavfi -i ${chord(8, [110, 165, 220])} -t 8 ${h264} ${speech}`,
  },
  'Game of life': {
    name: 'life.mp4',
    make: `-f lavfi -i life=size=160x90:rate=12:mold=14:ratio=0.13:seed=9:life_color=#7ff5c4:death_color=#1a2b6b:mold_color=#0c1024 -t 5 -vf scale=1280:720:flags=neighbor ${h264}`,
  },
  'Colour drift': {
    name: 'drift.mp4',
    make: `-f lavfi -i gradients=size=1280x720:rate=25:speed=0.02:nb_colors=4:c0=#12164a:c1=#3f4bd8:c2=#e2698f:c3=#ffcf8a:x0=0:y0=0:x1=1280:y1=720 -f lavfi -i ${chord(6, [196, 247, 294])} -t 6 ${h264} ${speech}`,
  },
  'Story for a phone': {
    name: 'story.mp4',
    make: `-f lavfi -i gradients=size=720x1280:rate=25:speed=0.03:nb_colors=3:c0=#06283d:c1=#17b6a7:c2=#f4f1c2:x0=0:y0=0:x1=720:y1=1280 -t 5 ${h264}`,
  },
  Sierpinski: {
    name: 'sierpinski.webm',
    make: '-f lavfi -i sierpinski=size=640x360:rate=20:type=triangle -t 4 -c:v libvpx -b:v 1M -deadline realtime -cpu-used 8',
  },
}
/** A slow move over a drawing: what it is drawn on, and whether it stands upright. */
const moves: Record<string, { over: string; size: string; seconds: number; captions?: boolean }> = {
  'Mountain Adventure': { over: 'First light over the ridge', size: '1280x720', seconds: 10, captions: true },
  'Walking the dunes': { over: 'Dunes near Merzouga', size: '1280x720', seconds: 6 },
  'Night sky': { over: 'Orion, close', size: '720x1280', seconds: 5 },
  'Ferry crossing': { over: 'Calm sea', size: '1280x544', seconds: 5 },
}

const sounds: Record<string, { name: string; make: string; cover?: string }> = {
  'Evening chords': {
    name: 'chords.flac',
    make: `-f lavfi -i ${swell(24, [220, 277, 330, 440])} -c:a flac`,
    cover: 'Harbour at dusk',
  },
  'Rain on the roof': {
    name: 'rain.mp3',
    make: '-f lavfi -i anoisesrc=color=pink:duration=14:amplitude=0.5:seed=4 -af tremolo=f=0.2:d=0.7 -b:a 128k',
  },
  'Voice memo 12': { name: 'memo.m4a', make: `-f lavfi -i ${swell(9, [140, 210, 420])} -c:a aac -b:a 96k` },
  'Interview, raw': { name: 'interview.wav', make: `-f lavfi -i ${swell(18, [120, 180, 240, 700])} -c:a pcm_s16le` },
}

function chord(seconds: number, tones: number[]): string {
  return `aevalsrc=${tones.map((tone) => `0.16*sin(${tone}*2*PI*t)`).join('+')}:d=${seconds}`
}

/** Notes one after another, each rising and dying away: a waveform with a shape. */
function swell(seconds: number, tones: number[]): string {
  const notes = tones.map(
    (tone, at) =>
      `0.5*sin(${tone}*2*PI*t)*exp(-3.2*mod(t+${(at * 0.61).toFixed(2)}\\,${(1.7 + at * 0.45).toFixed(2)}))`,
  )
  return `aevalsrc=(${notes.join('+')})*(0.35+0.65*abs(sin(t*0.42))):d=${seconds}`
}

async function ffmpeg(...parts: (string | string[])[]): Promise<void> {
  await run('ffmpeg', [
    '-v',
    'error',
    '-y',
    ...parts.flatMap((one) => (typeof one === 'string' ? one.split(' ') : one)),
  ])
}

/** Newest last. */
export async function makeSamples(folder: string): Promise<SampleFile[]> {
  await mkdir(folder, { recursive: true })
  const made: SampleFile[] = []
  const pictures = new Map<string, string>()
  for (const [title, drawing] of Object.entries(drawings)) {
    const path = join(folder, `${title.replaceAll(/\W+/g, '-')}.jpg`)
    await draw(drawing, path)
    pictures.set(title, path)
    made.push({ title, path })
  }
  for (const [title, { name, make }] of Object.entries(films)) {
    const path = join(folder, name)
    await ffmpeg(make, [path])
    made.push({ title, path })
  }
  for (const [title, move] of Object.entries(moves))
    made.push({ title, path: await pan(folder, title, { ...move, over: pictures.get(move.over) ?? '' }) })
  for (const [title, { name, make, cover }] of Object.entries(sounds)) {
    const path = join(folder, name)
    const picture = pictures.get(cover ?? '')
    if (picture)
      await ffmpeg(
        make.replace(' -c:a', ` -i ${picture} -map 0:a -map 1:v -c:v copy -disposition:v attached_pic -c:a`),
        [path],
      )
    else await ffmpeg(make, [path])
    made.push({ title, path })
  }
  return interleave(made)
}

/** Kinds side by side, as they come in life. */
function interleave(files: SampleFile[]): SampleFile[] {
  return files
    .map((file, at) => ({ file, place: (at * 7) % files.length }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ file }) => file)
}

const captions = `1
00:00:00,300 --> 00:00:03,600
We left before sunrise.

2
00:00:04,000 --> 00:00:09,600
By noon the whole valley lay below us.
`

async function pan(
  folder: string,
  title: string,
  { over, size, seconds, captions: spoken }: (typeof moves)[string],
): Promise<string> {
  const path = join(folder, `${title.replaceAll(/\W+/g, '-')}.mp4`)
  const frames = seconds * 25
  const zoom = `zoompan=z='1.08+0.3*on/${frames}':x='(iw-iw/zoom)*on/${frames}':y='(ih-ih/zoom)/2':d=${frames}:s=${size}:fps=25`
  const [width, height] = size.split('x')
  const crop = `scale=${Number(width) * 2}:${Number(height) * 2}:force_original_aspect_ratio=increase,crop=${Number(width) * 2}:${Number(height) * 2}`
  const text = join(folder, 'captions.srt')
  await writeFile(text, captions)
  const tracks = spoken
    ? ['-i', text, '-map', '0:v', '-map', '1:a', '-map', '2:s', '-c:s', 'mov_text', '-metadata:s:s:0', 'language=eng']
    : []
  await ffmpeg(
    `-i`,
    [over],
    `-f lavfi -i ${chord(seconds, [147, 220, 294])}`,
    tracks,
    ['-vf', `${crop},${zoom}`, '-t', String(seconds)],
    h264,
    '-c:a aac -b:a 96k',
    [path],
  )
  return path
}

/** A film whose end is missing, and a picture that is none: both fail while they are processed. */
export async function makeBroken(folder: string): Promise<SampleFile[]> {
  const film = join(folder, 'cut-off.mp4')
  await ffmpeg('-f lavfi -i testsrc2=size=640x360:rate=25 -t 4 -c:v libx264 -preset ultrafast -pix_fmt yuv420p', [film])
  const { length } = await readFile(film)
  await truncate(film, Math.floor(length / 2))
  const picture = join(folder, 'half.png')
  await writeFile(
    picture,
    Buffer.concat([Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), Buffer.alloc(2_000, 7)]),
  )
  return [
    { title: 'Cut off in the middle', path: film },
    { title: 'Scan 0032', path: picture },
  ]
}

/** Long enough to be looked at while it is processed. */
export async function makeLong(folder: string): Promise<SampleFile> {
  const path = join(folder, 'long.mp4')
  await ffmpeg(
    `-f lavfi -i gradients=size=1280x720:rate=30:speed=0.01:nb_colors=3:c0=#2b0b3f:c1=#a31c5b:c2=#ff9a3d:x0=0:y0=720:x1=1280:y1=0 -t 45 -c:v libx264 -preset ultrafast -crf 26 -pix_fmt yuv420p`,
    [path],
  )
  return { title: 'The whole concert', path }
}
