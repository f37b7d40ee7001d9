import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Config } from '../../config.ts'
import type { Chance, Clock } from '../../media/clock.ts'
import { type Log, silentLog } from '../../media/log.ts'
import { openMetadata } from '../../metadata/open.ts'
import { openObjects } from '../../objects/open.ts'
import { openQueue } from '../../queue/open.ts'
import { error, type Finding, ok, warning, within, wordsOf } from './finding.ts'

/** Milliseconds an engine may take to answer. */
const patience = 15_000
/** Seconds that clocks may differ: S3 refuses requests whose time is off by 15 minutes. */
const refusedSkew = 15 * 60
const notableSkew = 60

interface Given {
  clock: Clock
  chance: Chance
}

interface Pinged {
  ping(): Promise<void>
  close(): Promise<void> | void
}

/** Whether the engines elsewhere answer, and what they need is there. Those of this process need no asking. */
export async function examineEngines(config: Config, given: Given): Promise<Finding[]> {
  const { objects, metadata, queue } = config
  const log: Log = silentLog
  const store = () => Promise.reject(new Error('an embedded engine'))
  const embedded = (name: string, driver: string) => ok(name, `${driver}, in this process`)
  const findings = await Promise.all([
    objects.driver === 'filesystem' ? embedded('objects', objects.driver) : examineS3(config, given),
    metadata.driver === 'embedded'
      ? embedded('metadata', metadata.driver)
      : examineEngine(
          'metadata',
          `${metadata.driver}, table ${metadata.dynamodbTable}`,
          async () => await openMetadata(metadata, { ...given, log, store }),
        ),
    queue.driver === 'embedded'
      ? embedded('queue', queue.driver)
      : examineEngine('queue', queue.driver, async () => await openQueue(queue, { ...given, log, store })),
  ])
  return [...findings, ...(objects.driver === 's3' ? [await examineClock(config, given)] : [])]
}

async function examineS3({ objects }: Config, given: Given): Promise<Finding> {
  const scratch = await mkdtemp(join(tmpdir(), 'doctor-'))
  try {
    const { tempBucket, processedBucket } = objects
    const said = `s3, buckets ${tempBucket} and ${processedBucket}`
    return await examineEngine('objects', said, async () => await openObjects(objects, { ...given, dataDir: scratch }))
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/** Opens it, asks it, closes it. */
async function examineEngine(name: string, said: string, open: () => Promise<Pinged>): Promise<Finding> {
  let engine: Pinged | undefined
  try {
    await within(
      patience,
      (async () => {
        engine = await open()
        await engine.ping()
      })(),
    )
    return ok(name, `${said}: answers`)
  } catch (cause) {
    return error(name, `${said}: ${wordsOf(cause)}`, mends[name] ?? '')
  } finally {
    await within(2_000, Promise.resolve(engine?.close())).catch(() => {})
  }
}

const setUp = '`media setup` makes what is missing.'
const mends: Record<string, string> = {
  objects: `Check OBJECTS_S3_ENDPOINT, OBJECTS_S3_REGION and the AWS credentials. ${setUp}`,
  metadata: `Check METADATA_DYNAMODB_ENDPOINT, METADATA_DYNAMODB_REGION and the AWS credentials. ${setUp}`,
  queue: `Check the settings that begin with QUEUE_. ${setUp}`,
}

/** This machine's clock against that of S3, by the `Date` of any answer. */
async function examineClock({ objects }: Config, { clock }: Given): Promise<Finding> {
  const { s3Endpoint, s3Region } = objects
  const region = s3Region ?? process.env['AWS_REGION'] ?? 'us-east-1'
  const url = s3Endpoint ?? `https://s3.${region}.amazonaws.com`
  const mend = 'Have this machine keep its time by NTP: timedatectl set-ntp true.'
  try {
    const began = clock.now()
    const reply = await fetch(url, { method: 'HEAD', redirect: 'manual', signal: AbortSignal.timeout(5_000) })
    const theirs = Date.parse(reply.headers.get('date') ?? '')
    if (Number.isNaN(theirs)) return warning('clock', 'S3 did not say what time it is.', 'Compare the clocks by hand.')
    const skew = Math.round(((began + clock.now()) / 2 - theirs) / 1000)
    const said = `${Math.abs(skew)} s ${skew < 0 ? 'behind' : 'ahead of'} S3`
    if (Math.abs(skew) >= refusedSkew) return error('clock', `${said}: it refuses what is signed here.`, mend)
    return Math.abs(skew) >= notableSkew
      ? warning('clock', said, mend)
      : ok('clock', Math.abs(skew) <= 1 ? 'as that of S3' : said)
  } catch (cause) {
    return warning('clock', `S3 could not be asked for its time: ${wordsOf(cause)}`, 'Once it answers, ask again.')
  }
}
