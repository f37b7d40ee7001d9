import type { Chance } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import type { MediaEvent } from '../media/record.ts'
import { readCursor, writeCursor } from './cursors.ts'
import { eventKey, eventOf, indexes, recordKey, shards } from './dynamodb-items.ts'
import type { Item, Key, Table, Write } from './dynamodb-table.ts'

/**
 * Everybody's events in one order, made by whoever reads them.
 *
 * A commit that adds events marks its record as unlogged, in the same transaction. Who has read the log to its end takes
 * the marked records, and in one transaction appends a batch `[media_id, from, to]…` to the log and takes the marks away:
 * batch n + 1 is written on the condition that there is none, and each record's `logged_seq` on the condition that it is
 * still `from`. So each event has one place in the log, each media's events are in order, and what has a place never
 * moves: a cursor is a place.
 *
 * No clock takes part in it, nor does it matter how late a commit lands or how far the index lags: an event whose mark
 * is not yet seen gets a later place, never an earlier one than a cursor has passed.
 */
export interface EventLog {
  read(cursor: string | null, limit: number): Promise<{ events: MediaEvent[]; cursor: string | null }>
  /** Behind the last batch. What has no place yet gets a later one. */
  end(): Promise<string | null>
}

/** Where a reader stands: after `offset` events of batch `batch`. Batches are 1, 2, 3… */
interface Place {
  batch: number
  offset: number
}

type Range = [media_id: string, from: number, to: number]

interface Batch {
  batch: number
  ranges: Range[]
}

interface Reference {
  place: Place
  key: Key
}

/** A transaction takes 100 writes; fewer meet fewer commits under way. */
const mediaPerBatch = 48
const batchesPerPage = 20
/** So that no partition takes all of the log; never changed where there is one. */
const chunk = 1_000
/** Steps of one read; a reader comes again. */
const stepsAtMost = 20
const longestPage = 1_000

export function openEventLog(
  table: Table,
  { chance, now, batchesPerChunk = chunk }: { chance: Chance; now(): number; batchesPerChunk?: number },
): EventLog {
  const keyOf = (batch: number) => batchKey(batch, batchesPerChunk)

  async function resolve(references: readonly Reference[]): Promise<MediaEvent[]> {
    const items = await table.getAll(references.map(({ key }) => key))
    const found = new Map(items.map((item) => [`${item.PK} ${item.SK}`, item]))
    return references.flatMap(({ key }) => {
      const item = found.get(`${key.PK} ${key.SK}`)
      // Of a media that went long ago.
      return item && !((item.expires_at ?? Number.POSITIVE_INFINITY) * 1_000 <= now()) ? [eventOf(item)] : []
    })
  }

  return {
    read: async (cursor, limit) => {
      const start = placeOf(cursor)
      const most = Math.max(1, Math.min(limit, longestPage))
      let place = start
      const events: MediaEvent[] = []
      for (let steps = 0; steps < stepsAtMost && events.length < most; steps++) {
        const batches = await batchesFrom(table, place, keyOf)
        if (place.batch > 0 && batches[0]?.batch !== place.batch) throw foreign()
        const wanted = referencesAfter(batches, place, most - events.length)
        if (wanted.length > 0) {
          events.push(...(await resolve(wanted)))
          place = wanted.at(-1)?.place ?? place
        } else if (events.length > 0 || !(await append(table, { batch: place.batch + 1, keyOf }, chance))) break
      }
      return { events, cursor: place === start ? cursor : writeCursor([place.batch, place.offset]) }
    },
    end: async () => {
      const last = await findLast(table, batchesPerChunk)
      return last && writeCursor([last.batch, last.ranges.reduce((sum, [, from, to]) => sum + to - from + 1, 0)])
    },
  }
}

function placeOf(cursor: string | null): Place {
  const [batch = 0, offset = 0] = cursor === null ? [] : (readCursor(cursor, ['number', 'number']) as number[])
  if (cursor !== null && (batch < 1 || offset < 1)) throw foreign()
  return { batch, offset }
}

function foreign(): MediaError {
  return new MediaError('invalid_cursor', 'a cursor that was not made here')
}

type KeyOf = (batch: number) => Key

function batchKey(batch: number, batchesPerChunk: number): Key {
  return { PK: `L#${Math.floor(batch / batchesPerChunk)}`, SK: `B#${String(batch).padStart(15, '0')}` }
}

/** The batch a reader stands in and those after it, without a gap. */
async function batchesFrom(table: Table, { batch }: Place, keyOf: KeyOf): Promise<Batch[]> {
  const first = batch === 0 ? 1 : batch
  const found = await batchesOfChunk(table, keyOf(first))
  if (found.length < 2) {
    const next = first + found.length
    if (keyOf(next).PK !== keyOf(first).PK) found.push(...(await batchesOfChunk(table, keyOf(next))))
  }
  // A query is no snapshot: it may see a batch without the one before.
  return found.filter((one, index) => one.batch === first + index)
}

async function batchesOfChunk(table: Table, { PK, SK }: Key): Promise<Batch[]> {
  const { Items = [] } = await table.query({
    ConsistentRead: true,
    KeyConditionExpression: 'PK = :pk AND SK >= :sk',
    ExpressionAttributeValues: { ':pk': PK, ':sk': SK },
    Limit: batchesPerPage,
  })
  return Items.map(({ batch, ranges }) => ({ batch, ranges }) as Batch)
}

/** Batches have no gaps, so a chunk that has one says that those before it are full: a few looks, however long the log. */
async function findLast(table: Table, batchesPerChunk: number): Promise<Batch | null> {
  const lastOf = async (chunk: number): Promise<Batch | null> => {
    const { PK } = batchKey(chunk * batchesPerChunk, batchesPerChunk)
    const { Items = [] } = await table.query({
      ConsistentRead: true,
      KeyConditionExpression: 'PK = :pk',
      ExpressionAttributeValues: { ':pk': PK },
      ScanIndexForward: false,
      Limit: 1,
    })
    return (Items[0] as Batch | undefined) ?? null
  }
  let found = await lastOf(0)
  // Of a log whose first chunk is one batch long, the first batch is in the second.
  let [low, high] = [0, 1]
  for (let next = await lastOf(high); next; next = await lastOf(high)) {
    found = next
    low = high
    high *= 2
  }
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    const next = await lastOf(middle)
    if (next) {
      found = next
      low = middle
    } else {
      high = middle
    }
  }
  return found
}

function referencesAfter(batches: readonly Batch[], after: Place, limit: number): Reference[] {
  const references: Reference[] = []
  for (const { batch, ranges } of batches) {
    let offset = 0
    for (const [media_id, from, to] of ranges) {
      for (let seq = from; seq <= to; seq++) {
        offset += 1
        if (batch === after.batch && offset <= after.offset) continue
        if (references.length === limit) return references
        references.push({ place: { batch, offset }, key: eventKey(media_id, seq) })
      }
    }
  }
  return references
}

/** Gives unlogged events their place, in the next batch. @returns whether there may be something to read now */
async function append(table: Table, next: { batch: number; keyOf: KeyOf }, chance: Chance): Promise<boolean> {
  let pending = await findPending(table)
  // A commit under way on one of them refuses the whole: the others go without it, and it comes next time.
  for (let tries = 0; tries < 5 && pending.length > 0; tries++) {
    const reasons = await table.transact(appendWrites(next, pending), chance.uuid())
    if (reasons === null) return true
    const [batch, ...refused] = reasons
    // Another reader was faster.
    if (batch?.Code === 'ConditionalCheckFailed') return true
    pending = pending.filter((_, index) => (refused[index]?.Code ?? 'None') === 'None')
  }
  return false
}

function appendWrites({ batch, keyOf }: { batch: number; keyOf: KeyOf }, ranges: readonly Range[]): Write[] {
  const Item = { ...keyOf(batch), batch, ranges }
  return [
    { Put: { Item, ConditionExpression: 'attribute_not_exists(PK)' } },
    ...ranges.map(([media_id, from, to]) => ({
      Update: {
        Key: recordKey(media_id),
        UpdateExpression: 'SET logged_seq = :to REMOVE log_shard, log_since',
        ConditionExpression: 'event_seq = :to AND logged_seq = :before',
        ExpressionAttributeValues: { ':to': to, ':before': from - 1 },
      },
    })),
  ]
}

/** The media that have waited longest, and which of their events the log lacks, as the record itself says. */
async function findPending(table: Table): Promise<Range[]> {
  const marked = (await Promise.all(Array.from({ length: shards }, (_, shard) => findMarked(table, shard)))).flat()
  marked.sort((left, right) => left.log_since - right.log_since)
  const oldest = marked.slice(0, mediaPerBatch)
  const records = await table.getAll(oldest.map(({ PK, SK }) => ({ PK, SK })))
  return records.flatMap(({ PK, event_seq, logged_seq }): Range[] =>
    event_seq > logged_seq ? [[PK.slice(2), logged_seq + 1, event_seq]] : [],
  )
}

async function findMarked(table: Table, shard: number): Promise<Item[]> {
  const { Items = [] } = await table.query({
    IndexName: indexes.unlogged,
    KeyConditionExpression: 'log_shard = :shard',
    ExpressionAttributeValues: { ':shard': shard },
    Limit: mediaPerBatch,
  })
  return Items
}
