import {
  type CORSRule,
  CreateBucketCommand,
  GetBucketCorsCommand,
  GetBucketEncryptionCommand,
  GetBucketLifecycleConfigurationCommand,
  GetPublicAccessBlockCommand,
  HeadBucketCommand,
  type LifecycleRule,
  PutBucketCorsCommand,
  PutBucketEncryptionCommand,
  PutBucketLifecycleConfigurationCommand,
  PutPublicAccessBlockCommand,
} from '@aws-sdk/client-s3'
import type { Chance, Clock } from '../media/clock.ts'
import { codeOf } from '../media/errors.ts'
import { doneTag } from './s3.ts'
import { makeClient, openS3, type Request, type S3, type S3Address } from './s3-client.ts'
import { nameOf } from './s3-errors.ts'
import { tailFolder } from './s3-tails.ts'

export interface S3SetUp extends S3Address {
  tempBucket: string
  processedBucket: string
  tempDays: number
  /** Seconds that an upload in pieces may take. */
  expirySeconds: number
  /** Pages whose browsers send parts straight to S3. */
  corsOrigins: readonly string[]
  clock: Clock
  chance: Pick<Chance, 'random'>
}

/** One bucket's settings: asked for, and changed only where they are not as wanted. */
interface Bucket {
  name: string
  ask<T>(action: string, request: Request<T>): Promise<T>
}

/**
 * Makes the buckets and what the service needs of them; a second time it changes nothing. Rules of others stay.
 * @returns a line on each step, for the operator.
 */
export async function setUpS3(options: S3SetUp): Promise<string[]> {
  const client = makeClient(options)
  const s3 = openS3(client, options)
  try {
    const region = await client.config.region()
    const lines: string[] = []
    for (const name of [options.tempBucket, options.processedBucket]) {
      const bucket = bucketOf(s3, name)
      lines.push(
        await makeBucket(bucket, region),
        await blockPublic(bucket, options.endpoint === undefined),
        await encrypt(bucket),
      )
    }
    const temp = bucketOf(s3, options.tempBucket)
    lines.push(await setLifecycle(temp, lifecycleOf(options)), await setCors(temp, options.corsOrigins))
    return lines
  } finally {
    s3.close()
  }
}

function bucketOf(s3: S3, name: string): Bucket {
  return { name, ask: (action, request) => s3.run({ action: `s3:${action}`, bucket: name }, request) }
}

async function makeBucket({ name: Bucket, ask }: Bucket, region: string): Promise<string> {
  const exists = await ask('ListBucket', async (client, abort) => {
    await client.send(new HeadBucketCommand({ Bucket }), abort)
    return true
  }).catch((error) => {
    if (codeOf(error) === 'not_found') return false
    throw error
  })
  if (exists) return `bucket ${Bucket}: is there`
  // Amazon's first region is the one that must not be named.
  const place =
    region === 'us-east-1' ? {} : { CreateBucketConfiguration: { LocationConstraint: region as 'eu-west-1' } }
  try {
    await ask('CreateBucket', (client, abort) => client.send(new CreateBucketCommand({ Bucket, ...place }), abort))
  } catch (error) {
    if (nameOf(error) !== 'BucketAlreadyOwnedByYou') throw error
  }
  return `bucket ${Bucket}: made`
}

async function blockPublic({ name: Bucket, ask }: Bucket, isAmazon: boolean): Promise<string> {
  const wanted = {
    // Ceph's gateway then refuses every object. Where public ACLs are ignored, it matters little whether one can be set.
    BlockPublicAcls: isAmazon,
    BlockPublicPolicy: true,
    IgnorePublicAcls: true,
    RestrictPublicBuckets: true,
  }
  return await settle(`bucket ${Bucket}: public access`, {
    read: async () => {
      const { PublicAccessBlockConfiguration: found } = await ask('GetBucketPublicAccessBlock', (client, abort) =>
        client.send(new GetPublicAccessBlockCommand({ Bucket }), abort),
      )
      return Object.entries(wanted).every(([key, value]) => (found?.[key as keyof typeof wanted] ?? false) === value)
    },
    write: async () => {
      const given = { Bucket, PublicAccessBlockConfiguration: wanted }
      await ask('PutBucketPublicAccessBlock', (client, abort) =>
        client.send(new PutPublicAccessBlockCommand(given), abort),
      )
    },
    words: ['is blocked', 'blocked', 'this server cannot block it: see to it that no policy opens the bucket'],
  })
}

async function encrypt({ name: Bucket, ask }: Bucket): Promise<string> {
  return await settle(`bucket ${Bucket}: encryption`, {
    read: async () => {
      const { ServerSideEncryptionConfiguration: found } = await ask('GetEncryptionConfiguration', (client, abort) =>
        client.send(new GetBucketEncryptionCommand({ Bucket }), abort),
      )
      // Any that is set is the operator's choice.
      return (found?.Rules ?? []).length > 0
    },
    write: async () => {
      const Rules = [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' as const } }]
      const given = { Bucket, ServerSideEncryptionConfiguration: { Rules } }
      await ask('PutEncryptionConfiguration', (client, abort) =>
        client.send(new PutBucketEncryptionCommand(given), abort),
      )
    },
    words: ['is on', 'turned on (SSE-S3)', 'this server does not offer it: encrypt its disks'],
  })
}

interface Step {
  /** Whether it is as wanted. */
  read(): Promise<boolean>
  write(): Promise<void>
  /** It was so; it was made so; this server cannot. */
  words: [string, string, string]
}

const absent = [
  'NoSuchPublicAccessBlockConfiguration',
  'ServerSideEncryptionConfigurationNotFoundError',
  'NoSuchLifecycleConfiguration',
  'NoSuchCORSConfiguration',
]
const unknownThere = ['NotImplemented', 'MethodNotAllowed', 'InvalidArgument', 'MalformedXML', 'UnsupportedOperation']

async function settle(what: string, { read, write, words }: Step): Promise<string> {
  const [was, made, cannot] = words
  try {
    if (await read().catch(orAbsent(false))) return `${what} ${was}`
    await write()
    return `${what} ${made}`
  } catch (error) {
    if (!unknownThere.includes(nameOf(error))) throw error
    return `${what}: ${cannot}`
  }
}

/** What is not set yet is asked for like any other, and answered with an error. */
function orAbsent<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (absent.includes(nameOf(error)) || codeOf(error) === 'not_found') return value
    throw error
  }
}

const daySeconds = 86_400
const ruleName = 'media-service-'

/** The rules of the temporary bucket; whoever makes it by other means gives it these. */
export function lifecycleOf({ tempDays, expirySeconds }: Pick<S3SetUp, 'tempDays' | 'expirySeconds'>): LifecycleRule[] {
  const uploadDays = Math.ceil(expirySeconds / daySeconds) + 1
  const rule = (name: string, rest: Omit<LifecycleRule, 'ID' | 'Status'>): LifecycleRule => ({
    ...{ ID: `${ruleName}${name}`, Status: 'Enabled' },
    ...rest,
  })
  return [
    rule('done', { Filter: { Tag: doneTag }, Expiration: { Days: tempDays } }),
    rule('any', {
      Filter: { Prefix: '' },
      Expiration: { Days: Math.max(10 * tempDays, uploadDays) },
      AbortIncompleteMultipartUpload: { DaysAfterInitiation: uploadDays },
    }),
    rule('tails', { Filter: { Prefix: tailFolder }, Expiration: { Days: uploadDays } }),
  ]
}

async function setLifecycle({ name: Bucket, ask }: Bucket, wanted: LifecycleRule[]): Promise<string> {
  const { Rules = [] } = await ask('GetLifecycleConfiguration', (client, abort) =>
    client.send(new GetBucketLifecycleConfigurationCommand({ Bucket }), abort),
  ).catch(orAbsent<{ Rules?: LifecycleRule[] }>({}))
  const ours = Rules.filter(({ ID }) => ID?.startsWith(ruleName))
  const what = `bucket ${Bucket}: lifecycle`
  if (sameSet(ours.map(ruleText), wanted.map(ruleText))) return `${what} is set`
  const others = Rules.filter((rule) => !ours.includes(rule))
  const given = { Bucket, LifecycleConfiguration: { Rules: [...others, ...wanted] } }
  await ask('PutLifecycleConfiguration', (client, abort) =>
    client.send(new PutBucketLifecycleConfigurationCommand(given), abort),
  )
  return `${what} set (${wanted.length} rules${others.length > 0 ? `, ${others.length} of others kept` : ''})`
}

/** What of a rule matters, however a server spells it. */
function ruleText({ ID, Status, Filter, Prefix, Expiration, AbortIncompleteMultipartUpload: abort }: LifecycleRule) {
  const tag = Filter?.Tag ?? Filter?.And?.Tags?.[0]
  const prefix = Filter?.Prefix || Prefix || ''
  return [ID, Status, prefix, tag?.Key, tag?.Value, Expiration?.Days, abort?.DaysAfterInitiation].join('|')
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.toSorted().join('\n') === b.toSorted().join('\n')
}

/** Pages of these origins may send parts straight to the bucket. */
export function partsRule(origins: readonly string[]) {
  return {
    ID: `${ruleName}parts`,
    AllowedOrigins: [...origins],
    AllowedMethods: ['PUT'],
    AllowedHeaders: ['*'],
    ExposeHeaders: ['ETag'],
    MaxAgeSeconds: 3600,
  } satisfies CORSRule
}

async function setCors({ name: Bucket, ask }: Bucket, origins: readonly string[]): Promise<string> {
  const what = `bucket ${Bucket}: CORS`
  if (origins.length === 0) return `${what} is left alone: CORS_ORIGINS names no page that would send parts`
  const { CORSRules = [] } = await ask('GetBucketCORS', (client, abort) =>
    client.send(new GetBucketCorsCommand({ Bucket }), abort),
  ).catch(orAbsent<{ CORSRules?: CORSRule[] }>({}))
  const wanted = partsRule(origins)
  const text = ({ AllowedOrigins = [], AllowedMethods = [], ExposeHeaders = [] }: CORSRule) =>
    [AllowedOrigins, AllowedMethods, ExposeHeaders].map((list) => list.toSorted().join()).join('|')
  const ours = CORSRules.filter(({ ID }) => ID === wanted.ID)
  if (sameSet(ours.map(text), [text(wanted)])) return `${what} is set`
  const others = CORSRules.filter(({ ID }) => ID !== wanted.ID)
  const given = { Bucket, CORSConfiguration: { CORSRules: [...others, wanted] } }
  await ask('PutBucketCORS', (client, abort) => client.send(new PutBucketCorsCommand(given), abort))
  return `${what} set for ${origins.join(', ')}`
}
