import { availableParallelism } from 'node:os'
import { flag, integer, list, oneOf, optionalText, portOrOff, type Setting, type SettingsOf } from '../media/setting.ts'

/** Without a slash at the end; signed addresses continue it byte by byte, so it is taken as it is written. */
const baseUrl: Setting<string | undefined> = {
  ...optionalText('CDN_BASE_URL', {
    takes: 'an http(s):// address without query, such as `https://cdn.example.com`',
    shownDefault: '`{PUBLIC_URL}/cdn`',
    summary: 'What signed addresses start with, as readers see it: behind a proxy, the proxy’s.',
  }),
  parse: (value) => {
    const written = value.replace(/\/+$/, '')
    const { href, protocol, search, hash, username } = new URL(written)
    const plain = /^https?:$/.test(protocol) && search === '' && hash === '' && username === ''
    // A browser would write another one differently, and its signature would not fit.
    if (!plain || href.replace(/\/+$/, '') !== written) throw new Error('not a plain address')
    return written
  },
}

const cookieDomain: Setting<string | undefined> = {
  ...optionalText('CDN_COOKIE_DOMAIN', {
    takes: 'a domain, such as `example.com`',
    shownDefault: 'the API’s own host',
    summary:
      'What the hosts of API and CDN have in common, so that signed cookies (`download?rendition=hls&cookies=true`) reach a CDN on a host of its own.',
  }),
  parse: (value) => {
    const domain = value.replace(/^\./, '').toLowerCase()
    if (!/^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])?$/.test(domain)) throw new Error('not a domain')
    return domain
  },
}

/** A scheme and an authority. */
const origin: Setting<string | undefined> = {
  ...optionalText('EDGE_ORIGIN', {
    takes: 'an http(s):// address without a path, such as `http://127.0.0.1:8700`',
    summary: 'Makes the `edge` process a plain shared cache in front of any HTTP origin; needs `EDGE_PUBLIC=true`.',
  }),
  parse: (value) => {
    const url = new URL(value)
    if (!/^https?:$/.test(url.protocol) || url.origin !== value.replace(/\/$/, '')) throw new Error('not an origin')
    return url.origin
  },
}

const keyPairId: Setting<string | undefined> = {
  ...optionalText('CDN_KEY_PAIR_ID', {
    takes: 'letters, digits, `-` and `_`',
    shownDefault: 'derived from the public key',
    summary: 'The name of our key in signed addresses; with CloudFront, the public key’s ID.',
  }),
  parse: (value) => {
    if (!/^[A-Za-z0-9_-]{1,128}$/.test(value)) throw new Error('not an ID')
    return value
  },
}

const distributionId: Setting<string | undefined> = {
  ...optionalText('CDN_DISTRIBUTION_ID', {
    takes: 'the ID of a distribution, such as `E1U5RQF7T870K0`',
    summary: 'The distribution of `cloudfront`, for who removes media: workers. They have it forget what was deleted.',
  }),
  parse: (value) => {
    if (!/^[A-Z0-9]{8,32}$/.test(value)) throw new Error('not an ID')
    return value
  },
}

export const deliverySettings = {
  driver: oneOf('CDN_DRIVER', ['edge', 'cloudfront'], {
    default: 'edge',
    summary:
      'Who delivers outputs: the embedded edge, or a distribution of CloudFront in front of `OBJECTS_PROCESSED_BUCKET`, which workers are told of too.',
  }),
  baseUrl,
  distributionId,
  keyPairId,
  privateKeyFile: optionalText('CDN_PRIVATE_KEY_FILE', {
    takes: 'a PEM file',
    shownDefault: 'made on first start in `{DATA_DIR}/keys`',
    summary: 'The key that signs addresses: ECDSA P-256 or RSA, 2048 bits or more.',
  }),
  publicKeyFiles: list('CDN_PUBLIC_KEY_FILES', {
    default: '',
    takes: 'PEM files, separated by commas, each as `path` or `key-pair-id=path`; or the PEM itself for the path',
    summary:
      'Further keys whose signatures edge and API accept, so that keys change without a gap. Set without `CDN_PRIVATE_KEY_FILE`, this process verifies and never signs.',
  }),
  hash: oneOf('CDN_HASH', ['SHA1', 'SHA256'], {
    default: 'SHA1',
    summary: 'What signatures hash with. CloudFront takes both and assumes SHA-1.',
  }),
  urlSeconds: integer('CDN_URL_SECONDS', {
    min: 1,
    max: 604_800,
    unit: 'seconds',
    default: '3600',
    summary: 'How long a signed address lives when the caller does not say.',
  }),
  cookieDomain,
  memoryBytes: integer('EDGE_MEMORY_BYTES', {
    min: 0,
    max: 1_099_511_627_776,
    unit: 'bytes',
    default: '67108864',
    summary: 'Memory in which the edge keeps small files (up to 256 KiB each).',
  }),
  cacheDir: optionalText('EDGE_CACHE_DIR', {
    takes: 'a folder',
    shownDefault: '`{DATA_DIR}/edge-cache`',
    summary: 'Where the edge keeps what it has fetched from a store or an origin that is far away.',
  }),
  cacheBytes: integer('EDGE_CACHE_BYTES', {
    min: 1_048_576,
    max: 1_125_899_906_842_624,
    unit: 'bytes',
    default: '10737418240',
    summary: 'How much of it is kept: what was not used for longest goes.',
  }),
  metricsPort: portOrOff('EDGE_METRICS_PORT', {
    summary:
      'Where an edge of its own answers `/healthz`, `/readyz` and `/metrics`, on `HOST`; they ask for no identity and name no media: keep it to your own network. The API answers them on `PORT`, metrics to operators.',
  }),
  imagePresetsFile: optionalText('IMAGE_PRESETS_FILE', {
    takes: 'a JSON file',
    summary:
      'What pictures may be made on the fly: named options, and whether only those: "On the fly" in docs/delivery.md.',
  }),
  imageConcurrency: integer('IMAGE_CONCURRENCY', {
    min: 1,
    max: 1024,
    default: String(availableParallelism()),
    shownDefault: 'the number of cores',
    summary: 'Pictures made on the fly at once; eight times as many wait, and who comes then is told to (429).',
  }),
  origin,
  isPublic: flag('EDGE_PUBLIC', {
    default: 'false',
    summary: '`true` says that whatever lies at `EDGE_ORIGIN` is for everybody: no signature is asked for.',
  }),
}
export type DeliverySettings = SettingsOf<typeof deliverySettings>
