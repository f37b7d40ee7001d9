import { MediaError } from '../media/errors.ts'
import { isDisposition } from './disposition.ts'
import type { DeliveredFile } from './presence.ts'

/** What an address below the edge's base names. */
export interface Address extends DeliveredFile {
  /** `response-content-disposition`, fit to be sent. */
  disposition: string | undefined
}

/** Keys are made by us of these characters only, so nothing is ever decoded, and no segment starts with a dot. */
const pathForm = /^\/([A-Za-z0-9][A-Za-z0-9_-]*)\/v[1-9]\d*(?:\/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$/

/**
 * Reads `/{media_id}/v{n}/{file}?…` after its signature has been verified; parameters that mean nothing here are ignored.
 * @throws MediaError `not_found` for another path, `malformed_request` for a disposition that is no header value.
 */
export function readAddress(address: string, bucket: string): Address {
  const question = address.indexOf('?')
  const path = question < 0 ? address : address.slice(0, question)
  const media_id = pathForm.exec(path)?.[1]
  if (media_id === undefined) throw new MediaError('not_found', 'not the path of an output')
  const disposition = question < 0 ? undefined : dispositionIn(address.slice(question + 1))
  return { media_id, ref: { bucket, key: path.slice(1) }, disposition }
}

/** @throws MediaError `malformed_request` for one that is no header value */
export function dispositionIn(query: string): string | undefined {
  const name = 'response-content-disposition='
  const found = query.split('&').filter((parameter) => parameter.startsWith(name))
  if (found.length === 0) return undefined
  const value = decode(found[0]?.slice(name.length) ?? '')
  if (found.length > 1 || value === null || !isDisposition(value)) {
    const detail = 'response-content-disposition is not one that can be sent.'
    throw new MediaError('malformed_request', 'a disposition that is no header value', { detail })
  }
  return value
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return null
  }
}
