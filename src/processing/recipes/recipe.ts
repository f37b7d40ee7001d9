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
}

/** A workbench with ffmpeg on it, and a file looked into. */
export interface VideoWorkbench extends Workbench {
  tools: Tools
  facts: Facts
}

/** A file that a recipe made, verified. */
export interface Output {
  /** The rendition's name. */
  name: string
  path: string
  /** How its key ends, with the dot: `.mp4`. */
  extension: string
  content_type: string
  width: number | null
  height: number | null
  /** Seconds. */
  duration: number | null
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
  warnings: string[]
  outputs: Output[]
  /** The rendition that `processed_s3_url` names. */
  main: string
}
