/** The condition headers of a request, as Node names them. */
export interface ConditionHeaders {
  'if-match'?: string | undefined
  'if-unmodified-since'?: string | undefined
  'if-none-match'?: string | undefined
  'if-modified-since'?: string | undefined
  'if-range'?: string | undefined
}

/** What they are held against. */
export interface Validators {
  /** With its quotes, and `W/` when it is weak; null when there is none. */
  etag: string | null
  /** Milliseconds since the epoch, whole seconds; null when it is not known. */
  lastModified: number | null
}

/**
 * Whether a GET or HEAD goes on, in the order of precedence of RFC 9110.
 * https://www.rfc-editor.org/rfc/rfc9110#section-13.2.2
 */
export function judge(headers: ConditionHeaders, validators: Validators): 'send' | 'not_modified' | 'failed' {
  const { etag, lastModified } = validators
  const ifMatch = headers['if-match']
  const ifNoneMatch = headers['if-none-match']
  if (ifMatch !== undefined) {
    if (!names(ifMatch, etag, 'strong')) return 'failed'
  } else {
    const since = parseHttpDate(headers['if-unmodified-since'])
    if (since !== null && lastModified !== null && lastModified > since) return 'failed'
  }
  if (ifNoneMatch !== undefined) return names(ifNoneMatch, etag, 'weak') ? 'not_modified' : 'send'
  const since = parseHttpDate(headers['if-modified-since'])
  return since !== null && lastModified !== null && lastModified <= since ? 'not_modified' : 'send'
}

/** Whether `Range` is to be honoured: `If-Range` names exactly what we have, by a strong ETag or the exact date. */
export function rangeHolds(ifRange: string | undefined, { etag, lastModified }: Validators): boolean {
  if (ifRange === undefined) return true
  if (/^(W\/)?"/.test(ifRange)) return ifRange === etag && !etag.startsWith('W/')
  return lastModified !== null && parseHttpDate(ifRange) === lastModified
}

/** Whether a list of ETags, or `*`, has ours; weak comparison takes `W/` for nothing. */
function names(list: string, etag: string | null, comparison: 'strong' | 'weak'): boolean {
  if (list.trim() === '*') return true
  if (etag === null) return false
  const tags = list.match(/(?:W\/)?"[^"]*"/g) ?? []
  return tags.some((tag) => (comparison === 'weak' ? bare(tag) === bare(etag) : tag === etag && !tag.startsWith('W/')))
}

function bare(tag: string): string {
  return tag.replace(/^W\//, '')
}

const httpDateForms = [
  /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]+day, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/,
]

/** Milliseconds since the epoch, of any of HTTP's three forms; null for anything else, which is then ignored. */
export function parseHttpDate(text: string | undefined): number | null {
  if (text === undefined || !httpDateForms.some((form) => form.test(text))) return null
  const time = Date.parse(text.endsWith('GMT') ? text : `${text} GMT`)
  return Number.isNaN(time) ? null : time
}
