import { audio, image, type Sniffed, video } from './sniffed.ts'

/**
 * The ISO base media file format (MP4, QuickTime, 3GP, HEIF, AVIF): boxes of `{size, type}`, the first of which names
 * the brands that may read it. https://www.iso.org/standard/83102.html; brands: https://mp4ra.org/registered-types/brands
 */
export function sniffFileFormat(bytes: Buffer): Sniffed | null {
  const first = bytes.toString('latin1', 4, 8)
  if (first === 'ftyp') return sniffBrands(bytes)
  return isOldQuickTime(bytes, first) ? video('video/quicktime', 'mov') : null
}

/** Still pictures and others that no reader of ours takes, though they are made of boxes. */
const refused = new Set(['jp2 ', 'jpx ', 'jpm ', 'jxl ', 'crx ', 'mjp2', 'mj2s'])

function sniffBrands(bytes: Buffer): Sniffed | null {
  const size = bytes.readUInt32BE(0)
  if (size < 16 || size > 4096 || size % 4 !== 0) return null
  const [major = '', , ...compatible] = texts(bytes.subarray(8, Math.min(size, bytes.length)))
  const has = (...names: string[]) => names.some((name) => major === name || compatible.includes(name))
  if (refused.has(major) || !/^[\x20-\x7e]{4}$/.test(major)) return null
  if (major === 'avif' || major === 'avis') return image('image/avif', 'avif')
  if (/^(hei[cxms]|hev[cxms])$/.test(major)) return image('image/heic', 'heic')
  if (major === 'mif1' || major === 'msf1') {
    if (has('avif', 'avis')) return image('image/avif', 'avif')
    return has('heic', 'heix', 'hevc', 'hevx') ? image('image/heic', 'heic') : image('image/heif', 'heif')
  }
  if (/^(M4[ABP] |F4[AB] )$/.test(major)) return audio('audio/mp4', 'm4a')
  if (soundOnly(bytes)) return audio('audio/mp4', 'm4a')
  if (major.startsWith('3g2')) return video('video/3gpp2', '3g2')
  if (/^3g[ehgprst]/.test(major)) return video('video/3gpp', '3gp')
  return major === 'qt  ' ? video('video/quicktime', 'mov') : video('video/mp4', 'mp4')
}

function texts(bytes: Buffer): string[] {
  return bytes.toString('latin1').match(/[\s\S]{4}/g) ?? []
}

/** Before brands there were files that begin with the film or its index at once. */
function isOldQuickTime(bytes: Buffer, first: string): boolean {
  if (!['moov', 'mdat', 'wide', 'free', 'skip', 'pnot'].includes(first)) return false
  const size = bytes.readUInt32BE(0)
  if (first === 'moov')
    return size >= 16 && ['mvhd', 'cmov', 'trak', 'iods', 'udta'].includes(bytes.toString('latin1', 12, 16))
  // 0: to the end of the file; 1: a 64-bit size follows.
  if (first === 'mdat') return size === 0 || size === 1 || size >= 8
  const next = bytes.toString('latin1', size + 4, size + 8)
  return size >= 8 && ['moov', 'mdat', 'wide', 'free', 'skip'].includes(next)
}

/** Whether the head holds the whole index, and no track of it has a picture. */
function soundOnly(bytes: Buffer): boolean {
  for (let at = 0; at + 8 <= bytes.length; ) {
    const size = bytes.readUInt32BE(at)
    if (bytes.toString('latin1', at + 4, at + 8) === 'moov') {
      const handlers = handlersIn(bytes.subarray(at, at + size))
      return at + size <= bytes.length && handlers.includes('soun') && !handlers.includes('vide')
    }
    if (size < 8) return false
    at += size
  }
  return false
}

function handlersIn(index: Buffer): string[] {
  const found: string[] = []
  for (let at = index.indexOf('hdlr'); at >= 0; at = index.indexOf('hdlr', at + 4)) {
    found.push(index.toString('latin1', at + 12, at + 16))
  }
  return found
}
