import type { MediaType } from '../../media/record.ts'
import type { Raw } from '../raw.ts'
import type { ProcessingSettings } from '../settings.ts'
import type { Tools } from '../tools/find.ts'
import type { Pictures } from '../tools/pictures.ts'
import type { Facts } from '../tools/probe.ts'
import type { Runner } from '../tools/run.ts'

/** What a recipe is given. */
export interface Workbench {
  raw: Raw
  runner: Runner
  pictures: Pictures
  settings: ProcessingSettings
  /** A new, empty folder for one tool run. */
  newFolder: (name: string) => Promise<string>
  /** Cores this media may keep busy. */
  threads: number
  signal: AbortSignal
  /** 0–1 of the recipe's own work. */
  onProgress: (share: number) => void
  /** Stores what is among the final outputs, while the rest is made. */
  keep: (outputs: readonly Output[]) => Promise<void>
  /**
   * Stores what can be played or shown already, and lets it be, while the rest is made: of `early`, `outputs` are stored
   * once, and must be among the final ones. Whoever called it may still fail, and should only for a reason of ours.
   */
  publish: (early: Made) => Promise<void>
}

/** A workbench with ffmpeg on it, and a file looked into. */
export interface VideoWorkbench extends Workbench {
  tools: Tools
  facts: Facts
}

/** Where files lie that are needed until a film is put together, by names. */
export interface Shelf {
  put(name: string, path: string): Promise<void>
  /** @throws MediaError `not_found` */
  bring(name: string, path: string): Promise<void>
  /** Removes all that lies there. */
  clear(): Promise<void>
}

/** A file that a recipe made, verified. */
export interface Output {
  /** The rendition's name. */
  name: string
  path: string
  /** How its key ends, with the dot: `.mp4`. */
  extension: string
  /** Where it lies below its version: `hls/master.m3u8`; `{name}{extension}` when not given. */
  key?: string
  /** What it names, stored before it, in this order. */
  beside?: readonly Beside[]
  content_type: string
  width: number | null
  height: number | null
  /** Seconds. */
  duration: number | null
}

/** A file that an output names: a segment of a stream, a sheet of a storyboard. */
export interface Beside {
  path: string
  /** Below the version: `hls/720p-00001.m4s`. */
  key: string
  content_type: string
}

/** What a recipe made of a media. */
export interface Made {
  media_type: MediaType
  /** What the media turned out to be, where that corrects the door's guess. */
  content_type: string | null
  /** The source's, upright. */
  width: number | null
  height: number | null
  /** Seconds, measured by decoding. */
  duration: number | null
  placeholder: string | null
  /** Null when not given. */
  dominant_color?: string | null
  warnings: string[]
  outputs: Output[]
  /** The rendition that `processed_s3_url` names. */
  main: string
}
