import { readSettingFile } from './files.ts'
import type { HttpSettings } from './settings.ts'

/**
 * Certificate chain and key for HTTPS, or null for plain HTTP.
 * @throws Error when only one of the two files is named, or one cannot be read.
 */
export async function readTls(
  settings: Pick<HttpSettings, 'tlsCertFile' | 'tlsKeyFile'>,
): Promise<{ cert: Buffer; key: Buffer } | null> {
  const { tlsCertFile, tlsKeyFile } = settings
  if (tlsCertFile === undefined && tlsKeyFile === undefined) return null
  if (tlsCertFile === undefined || tlsKeyFile === undefined) {
    throw new Error('HTTPS needs both TLS_CERT_FILE and TLS_KEY_FILE. See "Settings" in README.md.')
  }
  const [cert, key] = await Promise.all([
    readSettingFile('TLS_CERT_FILE', tlsCertFile),
    readSettingFile('TLS_KEY_FILE', tlsKeyFile),
  ])
  return { cert, key }
}
