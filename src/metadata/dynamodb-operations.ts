import { MediaError } from '../media/errors.ts'
import type { Lane } from '../media/jobs.ts'
import type { Usage } from '../media/quota.ts'
import type { WorkerNote } from '../media/workers.ts'
import { readCursor, readTime, writeCursor } from './cursors.ts'
import {
  dueShard,
  indexes,
  isKeyable,
  jobKey,
  jobOf,
  setting,
  shardOf,
  shards,
  stateShard,
  usageKeys,
  userJobsKey,
} from './dynamodb-items.ts'
import type { Item, Table } from './dynamodb-table.ts'
import type { JobPage, JobQuery, Metadata } from './port.ts'

type Operations = Pick<Metadata, 'listJobs' | 'oldestDue' | 'userJobs' | 'usageOf' | 'noteWorker' | 'listWorkers'>

const longestPage = 1_000
const everyShard = Array.from({ length: shards }, (_, shard) => shard)

/** What operators read: jobs in the index `by-state`, those due longest in `by-unlogged`, workers in a partition of their own. */
export function openDynamodbOperations(table: Table): Operations {
  return {
    listJobs: async (query) => await jobPage(table, query),
    oldestDue: async (lane) => await findOldest(table, lane),

    userJobs: async (user_id, { held, limit }) => {
      if (!isKeyable(user_id)) return []
      const { Items = [] } = await table.query({
        IndexName: indexes.user,
        KeyConditionExpression: '#user = :user',
        ExpressionAttributeNames: { '#user': 'user' },
        ExpressionAttributeValues: { ':user': userJobsKey(user_id, held) },
        Limit: bounded(limit),
      })
      return Items.map(({ PK, SK }) => `${PK.slice(2)}.${SK.slice(2)}`)
    },

    usageOf: async (user_id) => {
      if (!isKeyable(user_id)) return { media: 0, bytes: 0 }
      const items = await table.getAll(usageKeys(user_id))
      return items.reduce<Usage>(
        (sum, { media = 0, bytes = 0 }) => ({ media: sum.media + media, bytes: sum.bytes + bytes }),
        { media: 0, bytes: 0 },
      )
    },

    noteWorker: async (note) => {
      const expires_at = Math.ceil(note.expires_at / 1_000)
      const fields = { doc: JSON.stringify(note), expires_at }
      await table.update({ Key: { PK: 'W', SK: `W#${note.worker_id}` }, ...setting(fields) })
    },

    listWorkers: async (now, limit) => {
      const most = bounded(limit)
      const found: WorkerNote[] = []
      for (let start: Item | undefined; ; ) {
        const page = await table.query({
          ConsistentRead: true,
          KeyConditionExpression: 'PK = :pk',
          FilterExpression: 'expires_at > :now',
          ExpressionAttributeValues: { ':pk': 'W', ':now': Math.floor(now / 1_000) },
          ExclusiveStartKey: start,
        })
        const notes: WorkerNote[] = (page.Items ?? []).map(({ doc }) => JSON.parse(doc))
        found.push(...notes.filter(({ expires_at }) => expires_at > now))
        start = page.LastEvaluatedKey
        if (!start || found.length >= most) return found.slice(0, most)
      }
    },
  }
}

async function findOldest(table: Table, lane: Lane): Promise<number | null> {
  const heads = await Promise.all(
    everyShard.map(async (shard) => {
      const { Items = [] } = await table.query({
        IndexName: indexes.unlogged,
        KeyConditionExpression: 'log_shard = :shard',
        ExpressionAttributeValues: { ':shard': dueShard(lane, shard) },
        Limit: 1,
      })
      return Items
    }),
  )
  const times = heads.flat().map(({ log_since }) => Number(log_since))
  return times.length > 0 ? Math.min(...times) : null
}

// Pages of jobs

/** Where a page stands in one partition of the index: its last job there; null before the first. */
type Place = { due: number; job_id: string } | null

async function jobPage(table: Table, { state, limit, cursor }: JobQuery): Promise<JobPage> {
  const places = cursor === undefined ? everyShard.map(() => null) : placesIn(cursor)
  const most = bounded(limit)
  const newest = state === 'parked'
  const ahead = await Promise.all(
    everyShard.map(async (shard) => {
      const { Items = [] } = await table.query({
        IndexName: indexes.state,
        KeyConditionExpression: 'state_shard = :shard',
        ExpressionAttributeValues: { ':shard': stateShard(state, shard) },
        ScanIndexForward: !newest,
        Limit: most + 1,
        ExclusiveStartKey: startOf(stateShard(state, shard), places[shard] ?? null),
      })
      return Items
    }),
  )
  const { items, more } = merge(ahead, { most, newest })
  for (const [shard, taken] of items.entries()) {
    const last = taken.at(-1)
    if (last) places[shard] = { due: last.due, job_id: last.job_id }
  }
  return { items: inOrder(items.flat(), newest).map(jobOf), next_cursor: more ? cursorOf(places) : null }
}

function inOrder(items: Item[], newest: boolean): Item[] {
  return items.sort((left, right) => (newest ? right.due - left.due : left.due - right.due))
}

/** The first of all partitions; within each as the index has them, so that a page goes on where the one before ended. */
function merge(ahead: readonly Item[][], { most, newest }: { most: number; newest: boolean }) {
  const items: Item[][] = ahead.map(() => [])
  for (let count = 0; ; count++) {
    const heads = ahead.flatMap((one, shard) => {
      const head = one[items[shard]?.length ?? 0]
      return head ? [{ shard, head }] : []
    })
    if (count === most || heads.length === 0) return { items, more: heads.length > 0 }
    const first = heads.reduce((best, one) => {
      const before = newest ? one.head.due > best.head.due : one.head.due < best.head.due
      return before ? one : best
    })
    items[first.shard]?.push(first.head)
  }
}

function startOf(state_shard: string, place: Place): Item | undefined {
  return place ? { state_shard, due: place.due, ...jobKey(place.job_id) } : undefined
}

function cursorOf(places: readonly Place[]): string {
  return writeCursor(places.flatMap((place) => (place ? [String(place.due), place.job_id] : ['', ''])))
}

function placesIn(cursor: string): Place[] {
  const parts = readCursor(
    cursor,
    everyShard.flatMap(() => ['string', 'string'] as const),
  )
  return everyShard.map((shard) => {
    const job_id = parts[shard * 2 + 1] as string
    if (job_id === '') return null
    const media_id = jobKey(job_id).PK.slice(2)
    if (!isKeyable(job_id) || media_id === '' || shardOf(media_id) !== shard) {
      throw new MediaError('invalid_cursor', 'a cursor that was not made here')
    }
    return { due: readTime(parts[shard * 2]), job_id }
  })
}

function bounded(limit: number): number {
  return Math.max(1, Math.min(limit, longestPage))
}
