/** A name that nobody else has made up. */
export function newKey(): string {
  // `randomUUID` is not there on pages without TLS.
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
