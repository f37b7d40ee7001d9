export type Disposition = 'inline' | 'attachment'

/** Longest name that every common file system takes, with room for the extension. Bytes of UTF-8. */
const longestStem = 180
const windowsDevices = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i

/**
 * `Content-Disposition` for a name: RFC 6266, with RFC 8187's form beside a plain one when the name is not plain.
 * `filename` may hold anything; nothing in it can end the header.
 */
export function contentDisposition(type: Disposition, filename: string): string {
  const plain = filename.replace(/[^\x20-\x7e]|["\\%]/gu, '_')
  const header = `${type}; filename="${plain}"`
  return plain === filename ? header : `${header}; filename*=UTF-8''${encodeValue(filename.toWellFormed())}`
}

/** Whether a text may be sent as `Content-Disposition`: one line of ASCII that begins with a type. */
export function isDisposition(text: string): boolean {
  return text.length <= 2048 && /^(inline|attachment)(;[\x20-\x7e]*)?$/i.test(text)
}

/** Every byte but letters, digits and `-._~` as `%XX`: stays as it is in a URL, a header, and through any parser. */
export function encodeValue(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)
}

/**
 * A name for a saved file: `title` without what no file system takes, and `extension` (without a dot).
 * `known` are the extensions that a title may already end with, as in `clip.mov`.
 */
export function saveName(title: string, extension: string, known: readonly string[] = []): string {
  const clean = title
    .toWellFormed()
    .normalize('NFC')
    // Control, formatting and private characters (bidi overrides among them), lone surrogates, and path signs.
    .replace(/[\p{C}\p{Zl}\p{Zp}\uFFFD]/gu, '')
    .replace(/[/\\:*?"<>|]/g, '_')
    .replace(/\s+/g, ' ')
  const ending = [extension, ...known].find(
    (one) => one !== '' && clean.toLowerCase().endsWith(`.${one.toLowerCase()}`),
  )
  const stem = ending ? clean.slice(0, -ending.length - 1) : clean
  const bare = cut(stem.replace(/^[. ]+/, ''), longestStem).replace(/[. ]+$/, '')
  const safe = windowsDevices.test(bare) ? `_${bare}` : bare
  return `${safe || 'media'}.${extension}`
}

/** The longest beginning of whole characters within `bytes` of UTF-8. */
function cut(text: string, bytes: number): string {
  let length = 0
  let result = ''
  for (const character of text) {
    length += Buffer.byteLength(character)
    if (length > bytes) return result
    result += character
  }
  return result
}
