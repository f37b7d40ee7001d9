import type { Measured } from '../media/measured.ts'
import type { MediaPatch, MediaRecord, Rendition } from '../media/record.ts'
import type { SegmentName } from '../media/segments.ts'

/** What the worker asks of this room; `openProcessor` answers it. */
export interface Processor {
  /**
   * Makes a media fit to deliver: download, sniff, probe, decide, run the recipe, verify, upload.
   * Outputs lie under `{media_id}/v{token}/`, durably, when it resolves. Its working folder is gone however it ends.
   * @throws MediaError with a processing code: the file's own fault (`undecodable`, `too_many_pixels`…) or ours (`tool_crashed`…).
   */
  process(task: ProcessTask): Promise<Processed>
}

/** A processor that cuts long videos into segments, which any worker may make. */
export interface SegmentProcessor extends Processor {
  /**
   * As `process`, but of a long video it may resolve with `Segmented`: then its segments are to be made, and it is to be
   * called again when they are, or when one could not be.
   */
  processOrCut(task: CutTask): Promise<Processed | Segmented>
  /**
   * Makes one segment of a video that was cut; what it makes lies durably under `segmentFolder` when it resolves.
   * @throws MediaError as `process`
   */
  processSegment(task: SegmentTask): Promise<void>
}

export function canCut(processor: Processor): processor is SegmentProcessor {
  return 'processOrCut' in processor
}

/** A long video, cut: what each of its segments needs lies durably under `planFolder(media_id, token)`. */
export interface Segmented {
  /** How many, at most `mostSegments`. */
  segments: number
}

/** What the segments of an earlier call have made: the token that won, of each. */
export interface Segments {
  plan: number
  tokens: number[]
}

export interface CutTask extends ProcessTask {
  /** Null when it was not cut yet; `failed` when a segment could not be made, and it is to be made in one piece. */
  segments: Segments | 'failed' | null
}

export interface SegmentTask extends Pick<ProcessTask, 'record' | 'token' | 'signal' | 'onProgress'> {
  segment: SegmentName
}

export interface ProcessTask {
  record: MediaRecord
  /** Fencing token of the attempt, the `n` of its outputs' version. */
  token: number
  signal: AbortSignal
  /** 0–100, rising. */
  onProgress: (percent: number) => void
  /**
   * Called at most once, when something can be played while the rest is still made: what it names is stored, and stays
   * whatever becomes of the attempt, unless the caller removes it. What it throws ends the attempt.
   */
  onPlayable?: (early: Playable) => Promise<void>
  /** Called once, when all is stored: how long each step took. */
  onSteps?: (steps: Measured['steps']) => void
}

/** The fields that are known as soon as a media can be played. */
export type Playable = Omit<Processed, 'content_type' | 'warnings' | 'checksum'>

/** The fields that the final commit sets. */
export type Processed = Required<
  Pick<
    MediaPatch,
    | 'media_type'
    | 'content_type'
    | 'processed_s3_url'
    | 'thumbnail_s3_url'
    | 'width'
    | 'height'
    | 'duration'
    | 'placeholder'
    | 'dominant_color'
    | 'warnings'
    | 'checksum'
  >
> & { renditions: Rendition[] }
