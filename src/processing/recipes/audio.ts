import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, MediaError } from '../../media/errors.ts'
import { type AudioProfile, audioProfile } from '../audio-profile.ts'
import { type ImageProfile, imageProfile } from '../image-profile.ts'
import { decodersOf } from '../tools/codecs.ts'
import type { MadePictures } from '../tools/pictures.ts'
import type { AudioFacts } from '../tools/probe.ts'
import { makeSound, type Sound } from './audio-sound.ts'
import type { Made, Output, VideoWorkbench } from './recipe.ts'
import { expectOutput } from './verify.ts'
import { drawWaveform, type Peaks, waveformJson } from './waveform.ts'
import { waveformPng, waveformSize } from './waveform-png.ts'

interface SoundProfile {
  audio: AudioProfile
  /** Of covers. */
  image: ImageProfile
}
const ours: SoundProfile = { audio: audioProfile, image: imageProfile }

/**
 * Sound, all of it equally loud (EBU R128, −16 LUFS), mono or stereo at 48 kHz, becomes
 *
 * | rendition              | what                                                                                     |
 * |------------------------|------------------------------------------------------------------------------------------|
 * | `audio`                | M4A: AAC at 160 kbit/s stereo, 96 mono; a copy of the source's where that is so already    |
 * | `opus`                 | Ogg: Opus at 96 kbit/s stereo, 58 mono                                                     |
 * | `waveform`             | JSON: peaks for players to draw, at most 2000 pairs, as audiowaveform writes them          |
 * | `waveform-png`         | PNG of 1800 × 280: the same, drawn on nothing, and as tall as there is room                |
 * | `thumbnail`, `cover`   | JPEG within 400 × 400 and 1600 × 1600 of the cover that came along; without one a thumbnail of the waveform |
 *
 * Of what the sender wrote, title, artist and album are kept.
 */
export async function makeAudio(workbench: VideoWorkbench, audio: AudioFacts, profile = ours): Promise<Made> {
  refuseTooMuch(workbench, audio)
  const sound = await makeSound(workbench, audio, profile.audio)
  const { duration, peaks } = sound
  const pictures = await makePictures(workbench, sound, profile.image)
  const waveforms = profile.audio.waveform ? await writeWaveforms(workbench, peaks) : []
  workbench.onProgress(1)
  return {
    media_type: 'audio',
    content_type: null,
    width: null,
    height: null,
    duration,
    placeholder: pictures.placeholder,
    dominant_color: pictures.dominant_color,
    warnings: [...sound.warnings, ...pictures.warnings],
    outputs: [...sounds(sound), ...pictures.outputs, ...waveforms],
    main: 'audio',
  }
}

function refuseTooMuch({ facts, settings }: VideoWorkbench, { codec }: AudioFacts): void {
  if (decodersOf('audio', codec).length === 0) {
    throw new MediaError('unsupported_media', `no decoder for ${codec}`, {
      detail: `Sound in ${codec || 'an unknown format'} is not supported.`,
    })
  }
  if ((facts.duration ?? 0) > settings.maxSeconds) throw new MediaError('too_long', `claims ${facts.duration} s`)
}

const noSize = { width: null, height: null }

function sounds({ m4a, opus, duration }: Sound): Output[] {
  const both = { ...noSize, duration }
  return [
    { ...both, name: 'audio', path: m4a, extension: '.m4a', content_type: 'audio/mp4' },
    ...(opus ? [{ ...both, name: 'opus', path: opus, extension: '.opus', content_type: 'audio/ogg' }] : []),
  ]
}

type Pictures = Pick<MadePictures, 'placeholder' | 'dominant_color' | 'warnings'> & { outputs: Output[] }

/** The cover is a stranger's picture like any other: decoded by the picture process, never by ffmpeg. */
async function makePictures(
  workbench: VideoWorkbench,
  { cover, peaks }: Sound,
  profile: ImageProfile,
): Promise<Pictures> {
  const { pictures, settings, newFolder, signal } = workbench
  const folder = await newFolder('picture')
  const { maxPixels, pictureMemory: memory } = settings
  const order = { folder, memory, signal, maxPixels, profile }
  const fromCover =
    cover === null
      ? null
      : await pictures
          .make({ ...order, wanted: 'cover', isSvg: false, source: { path: cover } })
          .catch((error) => coverFailed(error, signal))
  if (fromCover) return { ...fromCover, outputs: fromCover.outputs.map((made) => pictureOutput(made, folder)) }
  const drawn = await pictures.make({
    ...{ ...order, wanted: 'thumbnail', isSvg: true },
    source: { bytes: drawWaveform(peaks) },
  })
  expectOutput('a thumbnail', drawn.outputs.length === 1)
  const outputs = drawn.outputs.map((made) => pictureOutput(made, folder))
  return { ...drawn, outputs, dominant_color: null, warnings: cover === null ? [] : ['cover_unreadable'] }
}

function pictureOutput({ file, ...made }: MadePictures['outputs'][number], folder: string): Output {
  return { ...made, path: join(folder, file), key: file, extension: '.jpg', duration: null }
}

/** No sound fails for its cover, whatever that does to the picture process. */
function coverFailed(error: unknown, signal: AbortSignal): null {
  const ofTheFile = [
    'undecodable',
    'too_many_pixels',
    'memory_exceeded',
    'deadline_exceeded',
    'output_too_large',
    'tool_crashed',
  ]
  if (signal.aborted || !ofTheFile.includes(codeOf(error))) throw error
  return null
}

async function writeWaveforms({ newFolder }: VideoWorkbench, peaks: Peaks): Promise<Output[]> {
  const folder = await newFolder('waveform')
  const json = {
    name: 'waveform',
    path: join(folder, 'waveform.json'),
    extension: '.json',
    content_type: 'application/json',
  }
  const png = { name: 'waveform-png', path: join(folder, 'waveform.png'), extension: '.png', content_type: 'image/png' }
  await writeFile(json.path, waveformJson(peaks))
  await writeFile(png.path, await waveformPng(peaks))
  return [
    { ...json, ...noSize, duration: null },
    { ...png, ...waveformSize, key: 'waveform.png', duration: null },
  ]
}
