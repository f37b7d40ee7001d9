import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Config } from '../../config.ts'
import type { Chance, Clock } from '../../media/clock.ts'
import { type Log, silentLog } from '../../media/log.ts'
import { openMetadata } from '../../metadata/open.ts'
import { openObjects } from '../../objects/open.ts'
import { openQueue } from '../../queue/open.ts'
import { examineClock } from './clock.ts'
import { error, type Finding, ok, within, wordsOf } from './finding.ts'

/** Milliseconds an engine may take to answer. */
const patience = 15_000

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
  return [...findings, await examineClock(config, given.clock)]
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
