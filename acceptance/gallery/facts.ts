import { spawn } from 'node:child_process'
import sharp from 'sharp'

/** What a file is, in a few words for each of its parts, by programs that had no part in making it. */
export interface Facts {
  /** Of its container; empty when nobody knows. */
  format: string
  parts: string[]
}

export async function factsOf(path: string): Promise<Facts> {
  return (await pictureFacts(path)) ?? (await mediaFacts(path))
}

/** Null of what is no picture, or of one that cannot be read. */
async function pictureFacts(path: string): Promise<Facts | null> {
  const found = await sharp(path, { limitInputPixels: false })
    .metadata()
    .catch(() => null)
  if (!found?.format) return null
  const { format, width, height, pages = 1, pageHeight = height, space, depth, hasAlpha, orientation = 1 } = found
  const avif = format === 'heif' && found.compression === 'av1'
  const parts = [
    `${width} × ${pageHeight}`,
    pages > 1 && !avif && format !== 'heif' ? `${pages} frames` : '',
    space === 'srgb' || space === 'rgb16' ? '' : (space ?? ''),
    depth === 'ushort' ? '16 bits' : '',
    hasAlpha ? 'alpha' : '',
    orientation > 1 ? `orientation ${orientation}` : '',
    found.icc ? 'colour profile' : '',
    found.exif || found.xmp ? 'EXIF or XMP' : '',
  ]
  return { format: avif ? 'avif' : format, parts: [parts.filter(Boolean).join(', ')] }
}

async function mediaFacts(path: string): Promise<Facts> {
  const asked = ['-loglevel', 'quiet', '-protocol_whitelist', 'file', '-show_format', '-show_streams', '-of', 'json']
  const { format, streams = [] } = JSON.parse((await run('ffprobe', [...asked, `file:${path}`])) || '{}')
  const container = String(format?.format_name ?? '').split(',')[0] ?? ''
  const named = containers[container] ?? container
  // Readers of single pictures believe in anything.
  return /^image2$|_pipe$/.test(container) ? { format: '', parts: [] } : { format: named, parts: streams.map(wordsOf) }
}

const containers: Record<string, string> = { mov: 'mp4', matroska: 'matroska', mpegts: 'transport stream' }

function wordsOf(stream: Record<string, any>): string {
  const { codec_name = 'unknown', codec_type, width, height, pix_fmt, avg_frame_rate, sample_rate, channels } = stream
  const turned = stream.side_data_list?.find(({ rotation }: { rotation?: number }) => rotation)?.rotation
  const hdr = /2084|arib/.test(stream.color_transfer ?? '') ? 'HDR' : ''
  const isCover = stream.disposition?.attached_pic === 1
  if (codec_type === 'video') {
    const rate = isCover ? 'cover' : rateOf(avg_frame_rate)
    return [codec_name, `${width} × ${height}`, rate, pix_fmt, hdr, turned && `turned by ${turned}°`]
      .filter(Boolean)
      .join(', ')
  }
  if (codec_type === 'audio') {
    const heard = channels === 1 ? 'mono' : channels === 2 ? 'stereo' : `${channels} channels`
    return `${codec_name}, ${Number(sample_rate) / 1000} kHz, ${heard}`
  }
  return `${codec_name} (${codec_type})`
}

function rateOf(fraction = '0/0'): string {
  const [over = 0, under = 0] = fraction.split('/').map(Number)
  return under > 0 && over > 0 ? `${Math.round((over / under) * 100) / 100} fps` : ''
}

function run(program: string, args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = ''
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'], timeout: 20_000 })
    child.stdout.on('data', (data) => {
      said += data
    })
    child.on('error', reject)
    child.on('close', () => resolve(said))
  })
}
