import { MediaError } from '../media/errors.ts'
import { type Job, type JobState, jobStates } from '../media/jobs.ts'
import { readCursor, writeCursor } from './cursors.ts'
import { indexes, isKeyable, jobOf, listedKey, recordOf, shards, stateShard, userKey } from './dynamodb-items.ts'
import type { Item, Table } from './dynamodb-table.ts'
import { foldCase } from './folding.ts'
import type { ListQuery, Page } from './port.ts'

/** What the indexes answer. */

/** Media of a user read for one page; also the longest page. */
const scanLimit = 1_000
/** Pages of an index counted for one number, each of 1 MB: some 2 000 jobs. */
const countedPages = 10

export async function listPage(table: Table, query: ListQuery, now: number): Promise<Page> {
  const before = query.cursor === undefined ? null : placeOf(query.cursor)
  if (!isKeyable(query.user_id)) return { items: [], next_cursor: null }
  const limit = Math.max(1, Math.min(query.limit, scanLimit))
  const hits: Item[] = []
  let start: Item | undefined
  for (let left = scanLimit; left > 0 && hits.length <= limit; ) {
    const page = await table.query({ ...listInput(query, before, now), Limit: left, ExclusiveStartKey: start })
    hits.push(...(page.Items ?? []))
    left -= page.ScannedCount ?? left
    start = page.LastEvaluatedKey
    if (!start) break
  }
  const items = hits.slice(0, limit)
  const last = hits.length > limit ? items.at(-1)?.listed : start?.listed
  return { items: items.map(({ doc }) => recordOf(doc)), next_cursor: last === undefined ? null : cursorOf(last) }
}

function listInput({ user_id, status, media_type, q }: ListQuery, before: string | null, now: number) {
  const filters = ['(attribute_not_exists(expires_at) OR expires_at > :now)']
  if (status) filters.push('#status = :status')
  if (media_type) filters.push('media_type = :media_type')
  const folded = q ? foldCase(q).toWellFormed() : ''
  if (folded) filters.push('contains(title_folded, :q)')
  return {
    IndexName: indexes.user,
    ScanIndexForward: false,
    KeyConditionExpression: `#user = :user${before === null ? '' : ' AND listed < :before'}`,
    FilterExpression: filters.join(' AND '),
    ExpressionAttributeNames: { '#user': 'user', ...(status && { '#status': 'status' }) },
    ExpressionAttributeValues: {
      ':user': userKey(user_id),
      ':now': Math.floor(now / 1_000),
      ...(before !== null && { ':before': before }),
      ...(status && { ':status': status }),
      ...(media_type && { ':media_type': media_type }),
      ...(folded && { ':q': folded }),
    },
  }
}

function placeOf(cursor: string): string {
  const [upload_time, media_id] = readCursor(cursor, ['string', 'string']) as [string, string]
  const place = listedKey(upload_time, media_id)
  if (isKeyable(place)) return place
  throw new MediaError('invalid_cursor', 'a cursor that was not made here')
}

function cursorOf(listed: string): string {
  const hash = listed.indexOf('#')
  return writeCursor([listed.slice(0, hash), listed.slice(hash + 1)])
}

export async function findDue(table: Table, now: number, limit: number): Promise<Job[]> {
  const bounded = Math.max(1, Math.min(limit, scanLimit))
  const found = await Promise.all(
    shardsOf(['queued', 'running', 'held']).map(async (shard) => {
      const { Items = [] } = await table.query({
        IndexName: indexes.state,
        KeyConditionExpression: 'state_shard = :shard AND due <= :now',
        ExpressionAttributeValues: { ':shard': shard, ':now': now },
        Limit: bounded,
      })
      return Items
    }),
  )
  const due = found.flat().sort((left, right) => left.due - right.due || (left.job_id < right.job_id ? -1 : 1))
  return due.slice(0, bounded).map(jobOf)
}

export async function countByState(table: Table): Promise<Record<JobState, number>> {
  const counted = jobStates.map(async (state) => {
    const counts = state === 'done' ? [] : await Promise.all(shardsOf([state]).map((shard) => countShard(table, shard)))
    return [state, counts.reduce((sum, count) => sum + count, 0)]
  })
  return Object.fromEntries(await Promise.all(counted)) as Record<JobState, number>
}

async function countShard(table: Table, shard: string): Promise<number> {
  let count = 0
  let start: Item | undefined
  for (let pages = 0; pages < countedPages; pages++) {
    const page = await table.query({
      ...{ IndexName: indexes.state, Select: 'COUNT', ExclusiveStartKey: start },
      KeyConditionExpression: 'state_shard = :shard',
      ExpressionAttributeValues: { ':shard': shard },
    })
    count += page.Count ?? 0
    start = page.LastEvaluatedKey
    if (!start) break
  }
  return count
}

function shardsOf(states: readonly JobState[]): string[] {
  return states.flatMap((state) => Array.from({ length: shards }, (_, shard) => stateShard(state, shard)))
}
