import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  type S3Client,
} from '@aws-sdk/client-s3'
import { systemChance, systemClock } from '../../src/media/clock.ts'
import { describeObjects } from '../../src/objects/conformance.ts'
import { bucket } from '../../src/objects/conformance-kit.ts'
import { openS3Objects } from '../../src/objects/s3.ts'
import { makeClient } from '../../src/objects/s3-client.ts'
import { setUpS3 } from '../../src/objects/s3-set-up.ts'
import { startCeph } from '../ceph.ts'
import { engineFor } from '../engine.ts'

const engine = await engineFor('ceph', startCeph)
after(() => engine.stop())
Object.assign(process.env, {
  AWS_ACCESS_KEY_ID: engine.env.AWS_ACCESS_KEY_ID,
  AWS_SECRET_ACCESS_KEY: engine.env.AWS_SECRET_ACCESS_KEY,
})
const endpoint = engine.env.OBJECTS_S3_ENDPOINT ?? ''
const at = { endpoint, region: 'us-east-1', pathStyle: true }
const given = { clock: systemClock, chance: systemChance }

describeObjects('s3', {
  open: async () => {
    const setUp = { ...at, ...given, tempDays: 7, expirySeconds: 604_800, corsOrigins: [] }
    await setUpS3({ ...setUp, tempBucket: bucket, processedBucket: `processed-${randomUUID()}` })
    const spool = await mkdtemp(join(tmpdir(), 'spool-'))
    const open = () => openS3Objects({ ...at, ...given, buckets: [bucket], spool })
    let store = await open()
    const client = makeClient(at)
    await empty(client)
    return {
      get store() {
        return store
      },
      unfinished: async () => {
        const uploads = (await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))).Uploads ?? []
        const tails = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: '.tails/' }))
        const spooled = (await readdir(spool, { recursive: true })).filter((name) => name.includes('/'))
        return [...uploads, ...(tails.Contents ?? [])].map(({ Key }) => Key ?? '').concat(spooled)
      },
      reopen: async () => {
        await store.close()
        store = await open()
      },
      end: async () => {
        await store.close()
        client.destroy()
        await rm(spool, { recursive: true, force: true })
      },
    }
  },
  exceptions: {
    'drops parts that are not named':
      'Ceph 16 completes an upload with all of its parts or not at all; Amazon’s drops them.',
    'has no part when sending it again was cut':
      'S3 keeps the part that was there until the one sent again is whole; nothing can remove a part.',
  },
})

/** An engine that several runs share may hold what one of them has left. */
async function empty(client: S3Client): Promise<void> {
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
  for (const { Key, UploadId } of Uploads) {
    await client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }))
  }
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }))
  for (const { Key } of Contents) await client.send(new DeleteObjectCommand({ Bucket: bucket, Key }))
}
