import { createSecureContext } from 'node:tls'
import { readSettingFile } from './files.ts'
import type { HttpSettings } from './settings.ts'

/**
 * Certificate chain and key for HTTPS, or null for plain HTTP.
 * @throws Error when only one of the two files is named, one cannot be read, or they do not belong together.
 */
export async function readTls(
  settings: Pick<HttpSettings, 'tlsCertFile' | 'tlsKeyFile'>,
): Promise<{ cert: Buffer; key: Buffer } | null> {
  const { tlsCertFile, tlsKeyFile } = settings
  if (tlsCertFile === undefined && tlsKeyFile === undefined) return null
  if (tlsCertFile === undefined || tlsKeyFile === undefined) {
    throw new Error('HTTPS needs both TLS_CERT_FILE and TLS_KEY_FILE. See docs/settings.md.')
  }
  const [cert, key] = await Promise.all([
    readSettingFile('TLS_CERT_FILE', tlsCertFile),
    readSettingFile('TLS_KEY_FILE', tlsKeyFile),
  ])
  try {
    createSecureContext({ cert, key })
  } catch (cause) {
    const reason = (cause as Error).message
    throw new Error(
      `TLS_CERT_FILE (${tlsCertFile}) and TLS_KEY_FILE (${tlsKeyFile}) are no certificate chain with its key, in PEM form: ${reason}`,
      { cause },
    )
  }
  return { cert, key }
}
