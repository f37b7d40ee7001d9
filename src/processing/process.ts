import type { MediaPatch, MediaRecord, Rendition } from '../media/record.ts'

/** What the worker asks of this room; `openProcessor` answers it. */
export interface Processor {
  /**
   * Makes a media fit to deliver: download, sniff, probe, decide, run the recipe, verify, upload.
   * Outputs lie under `{media_id}/v{token}/`, durably, when it resolves. Its working folder is gone however it ends.
   * @throws MediaError with a processing code: the file's own fault (`undecodable`, `too_many_pixels`…) or ours (`tool_crashed`…).
   */
  process(task: ProcessTask): Promise<Processed>
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
}

/** The fields that are known as soon as a media can be played. */
export type Playable = Pick<
  Processed,
  | 'media_type'
  | 'processed_s3_url'
  | 'thumbnail_s3_url'
  | 'width'
  | 'height'
  | 'duration'
  | 'placeholder'
  | 'dominant_color'
  | 'renditions'
>

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
