import { createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** What `settings.json` says of one deployment; every field is described in README.md. */
export interface Settings {
  stackName: string
  api: { domain: string; certificateArn: string; minTasks: number; maxTasks: number }
  identity: { jwksUrl: string; issuer?: string; audience?: string }
  /** Pages that may call the API and send parts straight to the bucket. */
  corsOrigins: readonly string[]
  tempDays: number
  /** Seconds that an upload in pieces may take. */
  uploadExpirySeconds: number
  cdn: {
    /** PEM; the first belongs to the private key that signs, the others are still accepted. */
    publicKeys: readonly string[]
    privateKeySecretArn: string
    domain?: string
    certificateArn?: string
    /** What the names of API and CDN have in common, where signed cookies are to reach it. */
    cookieDomain?: string
  }
  workers: { maxTasks: number; minTasks: number; diskGiB: number; lambdaConcurrency: number; lambdaMemoryMiB: number }
  /** An existing cluster in place of SQS. */
  kafka?: Kafka
  /** An existing network; without, one is made. */
  network?: Network
  alarmEmail?: string
}

export interface Kafka {
  brokers: readonly string[]
  sasl: 'plain' | 'scram-sha-256' | 'scram-sha-512' | 'msk-iam'
  username?: string
  passwordSecretArn?: string
  /** Of MSK: names what `msk-iam` may touch, and whose backlog workers scale on. */
  clusterArn?: string
}

export interface Network {
  vpcId: string
  cidr: string
  availabilityZones: readonly string[]
  publicSubnetIds: readonly string[]
  privateSubnetIds: readonly string[]
}

type Given = Record<string, any>

/**
 * Reads a deployment's settings and the public keys that it names, relative to it.
 * @throws Error naming every field that is missing or wrong
 */
export function readSettings(path: string): Settings {
  const folder = dirname(path)
  const given = JSON.parse(readText(path)) as Given
  const publicKeys = (given.cdn?.publicKeys ?? []).map((name: string) => readText(join(folder, name)))
  return checkSettings({ ...given, cdn: { ...given.cdn, publicKeys } })
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new Error(`${path} cannot be read; to begin with: cp example/settings.json settings.json`, { cause })
  }
}

/** As `readSettings`, of settings whose keys are read. */
export function checkSettings(given: Given): Settings {
  const settings = withDefaults(given)
  const wrong = [wrongTexts, wrongCdn, wrongCookies, wrongKafka, wrongNetwork].flatMap((check) => check(settings))
  if (wrong.length > 0) throw new Error(`These settings are missing or wrong:\n${wrong.join('\n')}`)
  return settings
}

function withDefaults({ api, workers, ...given }: Given): Settings {
  return {
    stackName: 'media-service',
    corsOrigins: [],
    tempDays: 7,
    uploadExpirySeconds: 604_800,
    ...given,
    api: { minTasks: 2, maxTasks: 10, ...api },
    workers: {
      // Without SQS there is no function: then somebody must always be there.
      minTasks: given.kafka ? 1 : 0,
      maxTasks: 10,
      diskGiB: 200,
      lambdaConcurrency: 20,
      // The most that a new account may ask for.
      lambdaMemoryMiB: 3008,
      ...workers,
    },
  } as unknown as Settings
}

const certificate = /^arn:aws[a-z-]*:acm:([a-z0-9-]+):\d{12}:certificate\/.+$/
const secret = /^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:.+-[A-Za-z0-9]{6}$/
const domain = /^[a-z0-9-]+(\.[a-z0-9-]+)+$/

function wrongTexts({ stackName, api, identity, corsOrigins }: Settings): string[] {
  return [
    ...unless(/^[A-Za-z][A-Za-z0-9-]{0,60}$/.test(stackName), 'stackName: letters, digits and `-`'),
    ...unless(domain.test(api.domain ?? ''), 'api.domain: the name of the API, such as media.example.com'),
    ...unless(
      certificate.test(api.certificateArn ?? ''),
      'api.certificateArn: the ARN of a certificate of that name, in the region of the stack',
    ),
    ...unless(
      /^https:\/\//.test(identity?.jwksUrl ?? ''),
      'identity.jwksUrl: the https:// address of the keys that your tokens are signed with',
    ),
    ...corsOrigins.flatMap((origin) =>
      unless(
        /^https?:\/\/[^/]+$/.test(origin),
        `corsOrigins: "${origin}" is no origin, such as https://app.example.com`,
      ),
    ),
  ]
}

function wrongCdn({ cdn }: Settings): string[] {
  const region = certificate.exec(cdn.certificateArn ?? '')?.[1]
  return [
    ...unless(cdn.publicKeys.length > 0, 'cdn.publicKeys: at least one PEM file, that of the key that signs first'),
    ...unless(cdn.publicKeys.length <= 5, 'cdn.publicKeys: CloudFront takes five in a group'),
    ...cdn.publicKeys.flatMap((pem, at) => unless(isSigningKey(pem), `cdn.publicKeys[${at}]: ${keyWords}`)),
    ...unless(
      secret.test(cdn.privateKeySecretArn ?? ''),
      'cdn.privateKeySecretArn: the whole ARN of a secret of Secrets Manager that holds the private key as PEM',
    ),
    ...unless(
      (cdn.domain === undefined) === (cdn.certificateArn === undefined),
      'cdn.domain, cdn.certificateArn: both or none',
    ),
    ...unless(cdn.domain === undefined || domain.test(cdn.domain), 'cdn.domain: a name, such as cdn.example.com'),
    ...unless(
      cdn.certificateArn === undefined || region === 'us-east-1',
      'cdn.certificateArn: CloudFront takes certificates from us-east-1 alone',
    ),
  ]
}

/** A browser would take no such cookies, or not send them. */
function wrongCookies({ api, cdn }: Settings): string[] {
  const { cookieDomain } = cdn
  if (cookieDomain === undefined) return []
  const lies = (name = '') => name === cookieDomain || name.endsWith(`.${cookieDomain}`)
  return unless(
    domain.test(cookieDomain) && lies(api.domain) && lies(cdn.domain),
    'cdn.cookieDomain: a domain in which both api.domain and cdn.domain lie, such as example.com',
  )
}

const keyWords = 'a public key in PEM, ECDSA P-256 or RSA of 2048 bits: CloudFront takes no other'

function isSigningKey(pem: string): boolean {
  // A private one would be read too, and would then lie in the template.
  if (!pem.trimStart().startsWith('-----BEGIN PUBLIC KEY-----')) return false
  try {
    const { asymmetricKeyType: type, asymmetricKeyDetails: details } = createPublicKey(pem)
    return (
      (type === 'ec' && details?.namedCurve === 'prime256v1') || (type === 'rsa' && details?.modulusLength === 2048)
    )
  } catch {
    return false
  }
}

function wrongKafka({ kafka }: Settings): string[] {
  if (!kafka) return []
  const byPassword = kafka.sasl !== 'msk-iam'
  return [
    ...unless((kafka.brokers?.length ?? 0) > 0, 'kafka.brokers: at least one host:port'),
    ...unless(
      ['plain', 'scram-sha-256', 'scram-sha-512', 'msk-iam'].includes(kafka.sasl),
      'kafka.sasl: plain, scram-sha-256, scram-sha-512 or msk-iam',
    ),
    ...unless(!byPassword || kafka.username !== undefined, 'kafka.username: who logs in'),
    ...unless(
      !byPassword || secret.test(kafka.passwordSecretArn ?? ''),
      'kafka.passwordSecretArn: the whole ARN of the secret with the password',
    ),
    ...unless(byPassword || kafka.clusterArn !== undefined, 'kafka.clusterArn: needed to let the roles in by msk-iam'),
    ...unless(
      kafka.clusterArn === undefined ||
        /^arn:aws[a-z-]*:kafka:[^:]+:\d{12}:cluster\/[^/]+\/[^/]+$/.test(kafka.clusterArn),
      'kafka.clusterArn: the ARN of an MSK cluster',
    ),
  ]
}

function wrongNetwork({ network, kafka }: Settings): string[] {
  if (!network) return unless(!kafka, 'network: that of the brokers, when kafka is given')
  const zones = network.availabilityZones?.length ?? 0
  const fits = (ids?: readonly string[]) => (ids?.length ?? 0) === zones
  return [
    ...unless(/^vpc-/.test(network.vpcId ?? '') && /\/\d+$/.test(network.cidr ?? ''), 'network: vpcId and its cidr'),
    ...unless(
      zones >= 2 && fits(network.publicSubnetIds) && fits(network.privateSubnetIds),
      'network: two availabilityZones or more, and a public and a private subnet in each, in the same order',
    ),
  ]
}

function unless(holds: boolean, words: string): string[] {
  return holds ? [] : [words]
}
