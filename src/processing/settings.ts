import { integer, oneOf, optionalText, type SettingsOf, text } from '../media/setting.ts'
import { whereIs } from './gates/address.ts'

export const processingSettings = {
  ffmpeg: text('FFMPEG_PATH', {
    takes: 'a path, or a name to look for on `PATH`',
    default: 'ffmpeg',
    summary: 'The ffmpeg (5.1 or newer, with libx264) that makes video and sound.',
  }),
  ffprobe: text('FFPROBE_PATH', {
    takes: 'a path, or a name to look for on `PATH`',
    default: 'ffprobe',
    summary: 'The ffprobe that belongs to it.',
  }),
  sandbox: oneOf('SANDBOX', ['auto', 'bwrap', 'weak'], {
    default: 'auto',
    summary:
      'How tools are kept apart: `bwrap` (bubblewrap) or nothing starts, `weak` (limits, but the files and network of the service), or `auto`: bubblewrap where it works, else weak, which then takes video only on loopback.',
  }),
  clamd: {
    ...optionalText('CLAMD_ADDRESS', {
      takes: '`host:port` of a ClamAV daemon, or the path of its socket',
      summary:
        'Every upload is scanned by it before anything else reads it; while it cannot be reached, uploads wait. Without it nothing is scanned.',
    }),
    parse: (value: string) => (whereIs(value), value),
  },
  clamdOversize: oneOf('CLAMD_OVERSIZE', ['refuse', 'skip'], {
    default: 'refuse',
    summary:
      "What becomes of a file that is longer than the daemon's `StreamMaxLength`: it fails as `too_large_to_scan`, or is processed with the warning `not_scanned`.",
  }),
  stepsFile: optionalText('STEPS_FILE', {
    takes: 'a JSON file',
    summary: 'Programs and servers of your own that judge media or write captions for them: docs/extensions.md.',
  }),
  profilesFile: optionalText('PROFILES_FILE', {
    takes: 'a JSON file',
    summary:
      'What media become, in profiles that uploads may name: docs/profiles.md. Every process that takes uploads or processes them needs it.',
  }),
  preset: oneOf('VIDEO_PRESET', ['ultrafast', 'superfast', 'veryfast', 'faster', 'fast', 'medium', 'slow'], {
    default: 'veryfast',
    summary:
      'x264 preset: `fast` takes 1.55 times as long as `veryfast`, `medium` 1.75 times, for somewhat smaller files.',
  }),
  segmentSeconds: integer('VIDEO_SEGMENT_SECONDS', {
    min: 0,
    max: 86_400,
    unit: 'seconds',
    default: '300',
    summary:
      'A film that is encoded and lasts four times as long is cut into segments of about this length, at most 80, which all workers make beside one another. 0 cuts none.',
  }),
  maxPixels: integer('PICTURE_MAX_PIXELS', {
    min: 1,
    max: 1_000_000_000,
    unit: 'pixels',
    default: '100000000',
    summary: 'A larger picture is refused before it is decoded.',
  }),
  maxFramePixels: integer('VIDEO_MAX_PIXELS', {
    min: 1,
    max: 1_000_000_000,
    unit: 'pixels',
    default: '36000000',
    summary: 'A video with larger frames is refused before it is decoded; the default takes 8K.',
  }),
  maxSeconds: integer('MEDIA_MAX_SECONDS', {
    min: 1,
    max: 1_000_000,
    unit: 'seconds',
    default: '43200',
    summary: 'A longer video or sound is refused.',
  }),
  pictureMemory: integer('PICTURE_MEMORY_MB', {
    min: 128,
    max: 1_000_000,
    unit: 'MiB',
    default: '512',
    summary: 'Memory that making one picture may take.',
  }),
  videoMemory: integer('VIDEO_MEMORY_MB', {
    min: 128,
    max: 1_000_000,
    unit: 'MiB',
    default: '2048',
    summary: 'Memory that making one video or sound may take.',
  }),
  outputMegabytes: integer('OUTPUT_MAX_MB', {
    min: 1,
    max: 10_000_000,
    unit: 'MiB',
    default: '51200',
    summary: 'The largest file a tool may write.',
  }),
}
export type ProcessingSettings = SettingsOf<typeof processingSettings>
