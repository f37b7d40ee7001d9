import { isIP } from 'node:net'
import { integer, list, optionalText, type Setting, type SettingsOf, text } from '../media/setting.ts'

/** `https://media.example.com`, without a slash at the end. */
const publicUrl: Setting<string | undefined> = {
  ...optionalText('PUBLIC_URL', {
    takes: 'an http(s):// address without query, such as `https://media.example.com`',
    shownDefault: 'where it listens',
    summary: 'The address under which clients reach the service; `media_url` starts with it.',
  }),
  parse: (value) => {
    const url = new URL(value)
    const plain = /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '' && url.username === ''
    if (!plain || url.pathname !== '/') throw new Error('not a plain address')
    return url.origin
  },
}

const corsOrigins: Setting<readonly string[]> = {
  ...list('CORS_ORIGINS', {
    default: '',
    takes: 'origins separated by commas, such as `https://app.example.com`',
    summary: 'Web pages of these origins may call the API from the browser.',
  }),
  parse: (value) => {
    const origins = value.split(',').map((one) => one.trim())
    return origins.filter((one) => one !== '').map((one) => asOrigin(one))
  },
}

function asOrigin(value: string): string {
  const { origin, protocol } = new URL(value)
  if (!/^https?:$/.test(protocol) || value.replace(/\/$/, '').toLowerCase() !== origin) throw new Error('not an origin')
  return origin
}

/** False, or whom `X-Forwarded-*` is believed from. */
export type TrustProxy = boolean | readonly string[]

const trustProxy: Setting<TrustProxy> = {
  ...text('TRUST_PROXY', {
    default: 'false',
    takes: '`false`, `true`, or addresses and networks separated by commas, such as `10.0.0.0/8`',
    summary:
      'Whose `X-Forwarded-For`, `-Host` and `-Proto` are believed. `true` only where nobody but the proxy can connect.',
  }),
  parse: (value) => {
    if (value === 'true' || value === 'false') return value === 'true'
    const addresses = value.split(',').map((one) => one.trim())
    if (!addresses.every(isNetwork)) throw new Error('not addresses')
    return addresses
  },
}

/** An address, or a network as `10.0.0.0/8`. */
function isNetwork(value: string): boolean {
  const [address = '', length = '0', ...more] = value.split('/')
  const longest = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1
  return /^\d{1,3}$/.test(length) && Number(length) <= longest && more.length === 0
}

const jwtSecret: Setting<string | undefined> = {
  ...optionalText('AUTH_JWT_SECRET', {
    takes: 'a secret of at least 32 bytes',
    summary: 'JSON Web Tokens signed with it (HS256) identify callers by `sub`.',
    secret: true,
  }),
  parse: (value) => {
    if (Buffer.byteLength(value) < 32) throw new Error('too short')
    return value
  },
}

const jwksUrl: Setting<string | undefined> = {
  ...optionalText('AUTH_JWKS_URL', {
    takes: 'an http(s):// address',
    summary: 'JSON Web Tokens signed with one of the keys published there identify callers by `sub`.',
  }),
  parse: (value) => {
    if (!/^https?:$/.test(new URL(value).protocol)) throw new Error('not an address')
    return value
  },
}

export const httpSettings = {
  host: text('HOST', {
    default: '127.0.0.1',
    takes: 'a name or an address',
    summary: 'Where the API listens. Another address than loopback needs identity (`AUTH_…`).',
  }),
  port: integer('PORT', { default: '8080', min: 0, max: 65_535, summary: 'The port; 0 takes a free one.' }),
  publicUrl,
  corsOrigins,
  trustProxy,
  tlsCertFile: optionalText('TLS_CERT_FILE', {
    takes: 'a path',
    summary: 'Certificate chain, PEM; with `TLS_KEY_FILE` the API speaks HTTPS (HTTP/1.1 and 2).',
  }),
  tlsKeyFile: optionalText('TLS_KEY_FILE', { takes: 'a path', summary: 'The private key of `TLS_CERT_FILE`, PEM.' }),
  jwtSecret,
  jwksUrl,
  jwtIssuer: optionalText('AUTH_JWT_ISSUER', { summary: 'When set, tokens must have it as `iss`.' }),
  jwtAudience: optionalText('AUTH_JWT_AUDIENCE', { summary: 'When set, tokens must have it as `aud`.' }),
  apiKeysFile: optionalText('AUTH_API_KEYS_FILE', {
    takes: 'a path',
    summary:
      'API keys, one a line: SHA-256 of the key in hex, `user_id`, and `operator` for an operator; `#` starts a comment.',
  }),
  uploadKeyFile: optionalText('AUTH_UPLOAD_KEY_FILE', {
    takes: 'a path',
    shownDefault: 'made once in `DATA_DIR`',
    summary:
      'Unguessable bytes, at least 32, that sign the tokens of `POST /api/media/upload/token`; the same for all processes.',
  }),
} as const

export type HttpSettings = SettingsOf<typeof httpSettings>
