/**
 * What ffmpeg may open. The protocol list alone lets a playlist named `.mp4` read other files, so the containers are
 * listed (no playlists, no concatenations, no stills, no scripts), and so are the decoders.
 */

/** Containers, by the names of ffmpeg's demuxers. */
export const containers = [
  ...['mov', 'matroska', 'webm', 'avi', 'flv', 'mpegts', 'mpeg', 'asf', 'ogg', 'mp3', 'flac', 'wav', 'w64', 'aiff'],
  ...[
    'amr',
    'aac',
    'ac3',
    'eac3',
    'caf',
    'au',
    'ape',
    'wv',
    'tta',
    'mxf',
    'dv',
    'ivf',
    'rm',
    'gxf',
    'h264',
    'hevc',
    'mpegvideo',
  ],
].join(',')

const videoDecoders: Record<string, readonly string[]> = {
  h264: ['h264'],
  hevc: ['hevc'],
  av1: ['libdav1d', 'libaom-av1', 'av1'],
  vp8: ['vp8'],
  vp9: ['vp9'],
  mpeg4: ['mpeg4'],
  // A short stream is taken for one and turns out to be the other.
  mpeg1video: ['mpeg1video', 'mpeg2video'],
  mpeg2video: ['mpeg2video', 'mpeg1video'],
  msmpeg4v1: ['msmpeg4v1'],
  msmpeg4v2: ['msmpeg4v2'],
  msmpeg4v3: ['msmpeg4'],
  h261: ['h261'],
  h263: ['h263'],
  h263p: ['h263p'],
  flv1: ['flv'],
  vp6: ['vp6'],
  vp6a: ['vp6a'],
  vp6f: ['vp6f'],
  wmv1: ['wmv1'],
  wmv2: ['wmv2'],
  wmv3: ['wmv3'],
  vc1: ['vc1'],
  theora: ['theora'],
  mjpeg: ['mjpeg'],
  prores: ['prores'],
  dnxhd: ['dnxhd'],
  dvvideo: ['dvvideo'],
  ffv1: ['ffv1'],
  huffyuv: ['huffyuv'],
  ffvhuff: ['ffvhuff'],
  utvideo: ['utvideo'],
  rawvideo: ['rawvideo'],
  svq1: ['svq1'],
  svq3: ['svq3'],
  cinepak: ['cinepak'],
  qtrle: ['qtrle'],
  ...same([
    'v210',
    'v308',
    'v408',
    'r210',
    'cfhd',
    'magicyuv',
    'zmbv',
    'flashsv',
    'flashsv2',
    'msvideo1',
    'rpza',
    'png',
  ]),
  jpeg2000: ['jpeg2000', 'libopenjpeg'],
  rv10: ['rv10'],
  rv20: ['rv20'],
  rv30: ['rv30'],
  rv40: ['rv40'],
}

const audioDecoders: Record<string, readonly string[]> = {
  aac: ['aac'],
  aac_latm: ['aac_latm'],
  mp1: ['mp1float', 'mp1'],
  mp2: ['mp2float', 'mp2'],
  mp3: ['mp3float', 'mp3'],
  ac3: ['ac3', 'ac3_fixed'],
  eac3: ['eac3'],
  dts: ['dca'],
  truehd: ['truehd'],
  mlp: ['mlp'],
  flac: ['flac'],
  alac: ['alac'],
  vorbis: ['vorbis'],
  opus: ['opus', 'libopus'],
  speex: ['speex', 'libspeex'],
  amr_nb: ['amrnb', 'libopencore_amrnb'],
  amr_wb: ['amrwb', 'libopencore_amrwb'],
  wmav1: ['wmav1'],
  wmav2: ['wmav2'],
  wmapro: ['wmapro'],
  wmalossless: ['wmalossless'],
  ape: ['ape'],
  wavpack: ['wavpack'],
  tta: ['tta'],
  cook: ['cook'],
  gsm_ms: ['gsm_ms', 'libgsm_ms'],
  adpcm_g722: ['g722'],
  adpcm_g726: ['g726'],
  qdm2: ['qdm2'],
  nellymoser: ['nellymoser'],
  ...same([
    ...['pcm_u8', 'pcm_s8', 'pcm_s16le', 'pcm_s16be', 'pcm_s24le', 'pcm_s24be', 'pcm_s32le', 'pcm_s32be', 'pcm_u16le'],
    ...['pcm_f32le', 'pcm_f32be', 'pcm_f64le', 'pcm_f64be', 'pcm_mulaw', 'pcm_alaw', 'pcm_bluray', 'pcm_dvd'],
    ...['adpcm_ms', 'adpcm_ima_wav', 'adpcm_ima_qt', 'adpcm_swf', 'adpcm_yamaha', 'gsm'],
    ...['s302m', 'g723_1', 'pcm_s64le', 'pcm_s16le_planar', 'pcm_s16be_planar'],
  ]),
}

/** Of text; pictures of text stay closed. */
const subtitleDecoders: Record<string, readonly string[]> = {
  subrip: ['srt', 'subrip'],
  ass: ['ass', 'ssa'],
  mov_text: ['mov_text'],
  webvtt: ['webvtt'],
  text: ['text'],
}

/**
 * For looking into a file whose streams are not known yet. ffprobe gives up on a file when it may not open each stream's
 * decoder, so those of all subtitles and of covers are listed too; no frame of theirs is ever asked of ffmpeg.
 */
export const probedDecoders = [
  ...[...Object.values(videoDecoders), ...Object.values(audioDecoders)].flat(),
  ...[
    'srt',
    'subrip',
    'ass',
    'ssa',
    'mov_text',
    'movtext',
    'webvtt',
    'text',
    'dvbsub',
    'dvdsub',
    'pgssub',
    'xsub',
    'cc_dec',
    'libzvbi_teletextdec',
    'libaribb24',
  ],
  ...['bmp', 'gif', 'webp'],
].join(',')

/** Pictures that come along as a video stream: covers, to be copied out and never to be decoded here. */
export const stillCodecs: readonly string[] = ['png', 'bmp', 'gif', 'webp', 'tiff', 'mjpegb', 'jpeg2000', 'jpegls']

/** The decoders of one codec, by ffprobe's name of it; empty when we do not open it. */
export function decodersOf(kind: 'video' | 'audio' | 'subtitle', codec: string): readonly string[] {
  const table = { video: videoDecoders, audio: audioDecoders, subtitle: subtitleDecoders }[kind]
  return Object.hasOwn(table, codec) ? (table[codec] ?? []) : []
}

function same(names: readonly string[]): Record<string, readonly string[]> {
  return Object.fromEntries(names.map((name) => [name, [name]]))
}

/**
 * Those of all streams that are processed of a file. A run may need only one of them; but when a file begins is found out
 * from the streams that can be opened, and it must begin at the same moment for all runs.
 */
export function decodersOfFile(file: {
  video: { codec: string } | null
  sounds: readonly { codec: string }[]
  subtitles: readonly { codec: string }[]
}): string[] {
  const { video, sounds, subtitles } = file
  return [
    ...new Set([
      ...(video ? decodersOf('video', video.codec) : []),
      ...sounds.flatMap(({ codec }) => decodersOf('audio', codec)),
      ...subtitles.flatMap(({ codec }) => decodersOf('subtitle', codec)),
    ]),
  ]
}
