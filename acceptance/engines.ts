import { execFile } from 'node:child_process'
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ListMultipartUploadsCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'

/**
 * The engines that this run's targets stand on: settings as JSON in `ENGINES`, from `engines/run.ts`; without it each
 * target has its own embedded ones.
 */
const given = process.env.ENGINES ? (JSON.parse(process.env.ENGINES) as Record<string, string>) : null

export const onEngines = given !== null

/** For a test of what only the embedded engines do or are: why, for the runner's list. */
export function embeddedOnly(reason: string): { skip: string | false } {
  return { skip: onEngines && reason }
}

/** Files of the embedded store, or what the buckets of a target's data folder hold, unfinished uploads included. */
export async function objectsOf(dataDir: string): Promise<string[]> {
  const settings = await ready.get(dataDir)
  if (!settings) return await readdir(join(dataDir, 'objects'), { recursive: true })
  const { OBJECTS_S3_ENDPOINT = '', OBJECTS_TEMP_BUCKET = '', OBJECTS_PROCESSED_BUCKET = '' } = settings
  const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = settings
  const at = { endpoint: OBJECTS_S3_ENDPOINT, region: 'us-east-1', forcePathStyle: true }
  const client = new S3Client({ ...at, credentials: { accessKeyId, secretAccessKey } })
  try {
    const lists = [OBJECTS_TEMP_BUCKET, OBJECTS_PROCESSED_BUCKET].map(async (Bucket) => {
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }))
      const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket }))
      return [...Contents, ...Uploads].map(({ Key = '' }) => Key)
    })
    return (await Promise.all(lists)).flat()
  } finally {
    client.destroy()
  }
}

const ready = new Map<string, Promise<Record<string, string>>>()

/** Buckets, table and topics of its own for each data folder, so that a target that starts again finds its data. */
export async function engineSettings(
  dataDir: string,
  setUp: { program: string[]; env: Record<string, string> },
): Promise<Record<string, string>> {
  if (!given) return {}
  const known = ready.get(dataDir) ?? makeSettings(dataDir, given, setUp)
  ready.set(dataDir, known)
  return await known
}

async function makeSettings(
  dataDir: string,
  engines: Record<string, string>,
  { program, env }: { program: string[]; env: Record<string, string> },
): Promise<Record<string, string>> {
  const name = `t${createHash('sha256').update(dataDir).digest('hex').slice(0, 12)}`
  const settings = {
    ...engines,
    OBJECTS_TEMP_BUCKET: `${name}-temp`,
    OBJECTS_PROCESSED_BUCKET: `${name}-processed`,
    METADATA_DYNAMODB_TABLE: name,
    QUEUE_KAFKA_TOPIC_PREFIX: `${name}.`,
    QUEUE_KAFKA_GROUP: name,
    QUEUE_KAFKA_PARTITIONS: '4',
    ...writeKeys(dataDir),
  }
  const [node = '', ...args] = program
  const all = { ...env, ...settings, DATA_DIR: dataDir, LOG_LEVEL: 'warn' }
  await promisify(execFile)(node, [...args, 'setup'], { env: all, timeout: 120_000 })
  return settings
}

/** Keys that on one machine the service would make for itself. */
function writeKeys(dataDir: string): Record<string, string> {
  const folder = join(dataDir, 'test-keys')
  mkdirSync(folder, { recursive: true })
  const tokens = join(folder, 'upload-tokens.key')
  const cdn = join(folder, 'cdn-private.pem')
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  writeFileSync(tokens, randomBytes(32).toString('hex'), { mode: 0o600 })
  writeFileSync(cdn, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  return { AUTH_UPLOAD_KEY_FILE: tokens, CDN_PRIVATE_KEY_FILE: cdn }
}
