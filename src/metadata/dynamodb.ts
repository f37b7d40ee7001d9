import type { MediaEvent } from '../media/record.ts'
import { requireStorable } from './changes.ts'
import { requireCursorValue } from './cursors.ts'
import { commitTo, readKnown } from './dynamodb-commit.ts'
import { openDynamodbDeliveries } from './dynamodb-deliveries.ts'
import { openTurns } from './dynamodb-gate.ts'
import { cursorKey, dueOf, eventOf, eventSort, isKeyable, jobKey, jobOf, recordKey, setting } from './dynamodb-items.ts'
import { openEventLog } from './dynamodb-log.ts'
import { openDynamodbOperations } from './dynamodb-operations.ts'
import { countByState, findDue, listPage } from './dynamodb-reads.ts'
import { held, type Item, openTable, type Table, type TableGiven } from './dynamodb-table.ts'
import type { CursorLease, Heartbeat, HeldCursor, Metadata } from './port.ts'
import type { MetadataSettings } from './settings.ts'

/**
 * Metadata in one DynamoDB table, which any number of processes share; `npm start -- setup` makes it.
 *
 * For operators: on-demand billing, no scans. A commit is one strongly consistent read and one transaction over the
 * record, its jobs and events, and over one of eight items in which what its user has is counted. Lists, due jobs and
 * counts come of indexes and may lag; what is `done` is not counted (0), and a count stops at some 20 000 jobs a state and
 * shard. A queued job stands in `by-unlogged` too, and one that makes outputs in `by-user`: a write more at each change of
 * its state. Who reads the event log also writes it: see
 * `dynamodb-log.ts` for what is promised, which is each event once and each media's in order, however late a commit
 * lands. 30 days after a media was purged its items expire by the table's TTL (`expires_at`), and are not seen from then on.
 * Needs `GetItem`, `BatchGetItem`, `Query`, `PutItem`, `UpdateItem`, `ConditionCheckItem` on the table and its indexes.
 *
 * A lost answer is asked for again under the same token, and a commit finds its own mark, so that it happens once; what
 * is not known after 10 s is `unavailable`. An item holds 400 KB: more is `too_large`.
 */
export function openDynamodbMetadata(settings: MetadataSettings, given: TableGiven): Metadata {
  const { clock, chance } = given
  const table = openTable(settings, given)
  const log = openEventLog(table, { chance, now: clock.now })
  // Commits to one media from here would only refuse each other.
  const inTurn = openTurns()
  const isOver = ({ expires_at }: Item) => expires_at !== undefined && expires_at * 1_000 <= clock.now()

  return {
    get: async (media_id) => (await readKnown(table, media_id, clock))?.record ?? null,
    list: async (query) => await listPage(table, query, clock.now()),
    commit: async (change) => await inTurn(change.media_id, () => commitTo(table, change, given)),

    getJob: async (job_id) => {
      const item = isKeyable(job_id) ? await table.get(jobKey(job_id)) : null
      return item && !isOver(item) ? jobOf(item) : null
    },
    renew: async (heartbeat) => await renewJob(table, heartbeat),
    dueJobs: async (now, limit) => await findDue(table, now, limit),
    jobsOf: async (media_id) => {
      const items = await itemsOf(table, media_id, ['J#', 'J#~'], maxJobs)
      const jobs = items.filter((item) => !isOver(item)).map(jobOf)
      return jobs.sort((left, right) => left.created_at - right.created_at || (left.job_id < right.job_id ? -1 : 1))
    },
    countJobs: async () => await countByState(table),

    timeline: async (media_id, after, limit): Promise<MediaEvent[]> => {
      const events = await itemsOf(table, media_id, [eventSort(Math.max(0, after) + 1), 'E#~'], limit)
      return events.filter((item) => !isOver(item)).map(eventOf)
    },
    readLog: log.read,
    logEnd: log.end,

    takeCursor: async (name, lease) => await takeCursor(table, name, { ...lease, holder: chance.uuid() }),
    moveCursor: async (name, held) => await moveCursor(table, name, held),
    deliveries: openDynamodbDeliveries(table, clock.now),
    ...openDynamodbOperations(table),

    ping: async () => {
      await table.update({ Key: { PK: 'P', SK: 'P' }, ...setting({ at: clock.now() }) })
    },
    close: async () => table.close(),
  }
}

const maxJobs = 100
const longestPage = 1_000

/** A media's items between two sort keys, strongly consistent. */
async function itemsOf(table: Table, media_id: string, [from, to]: [string, string], limit: number): Promise<Item[]> {
  if (!isKeyable(media_id)) return []
  const most = Math.max(1, Math.min(limit, longestPage))
  const found: Item[] = []
  let start: Item | undefined
  do {
    const page = await table.query({
      ConsistentRead: true,
      KeyConditionExpression: 'PK = :pk AND SK BETWEEN :from AND :to',
      ExpressionAttributeValues: { ':pk': recordKey(media_id).PK, ':from': from, ':to': to },
      Limit: most - found.length,
      ExclusiveStartKey: start,
    })
    found.push(...(page.Items ?? []))
    start = page.LastEvaluatedKey
  } while (start && found.length < most)
  return found
}

/** A heartbeat that was overtaken by a later one changes nothing, and its holder still holds. */
async function renewJob(table: Table, { job_id, token, lease_until, sweep_at, progress }: Heartbeat): Promise<boolean> {
  if (!isKeyable(job_id)) return false
  const Key = jobKey(job_id)
  const update = setting({ lease_until, sweep_at, due: dueOf({ sweep_at }), progress })
  const done = await held(
    table.update({
      Key,
      ...update,
      ConditionExpression:
        '#state = :running AND #token = :token AND (attribute_not_exists(lease_until) OR lease_until <= :lease_until)',
      ExpressionAttributeNames: { ...update.ExpressionAttributeNames, '#state': 'state', '#token': 'token' },
      ExpressionAttributeValues: { ...update.ExpressionAttributeValues, ':running': 'running', ':token': token },
    }),
  )
  if (done) return true
  const job = await table.get(Key)
  return job?.state === 'running' && job.token === token
}

/** Its holder's mark tells a taking whose answer was lost. */
/** Cursors of uploads are many and soon over; the others are kept for good. */
const passing = 'upload.'
/** Seconds, from when it was last taken: longer than any upload. */
const passingLife = 60 * 86_400

async function takeCursor(
  table: Table,
  name: string,
  { now, lease_until, holder }: CursorLease & { holder: string },
): Promise<HeldCursor | null> {
  requireStorable(name)
  const Key = cursorKey(name)
  await held(
    table.update({
      Key,
      UpdateExpression:
        'SET #token = if_not_exists(#token, :zero) + :one, lease_until = :lease_until, holder = :holder, expires_at = :expires',
      ConditionExpression: 'attribute_not_exists(PK) OR lease_until <= :now',
      ExpressionAttributeNames: { '#token': 'token' },
      ExpressionAttributeValues: {
        ...{ ':zero': 0, ':one': 1, ':now': now, ':lease_until': lease_until, ':holder': holder },
        ':expires': name.startsWith(passing) ? Math.floor(now / 1_000) + passingLife : null,
      },
    }),
  )
  const item = await table.get(Key)
  return item?.holder === holder ? { token: item.token, value: item.value ?? null } : null
}

async function moveCursor(
  table: Table,
  name: string,
  { token, value, lease_until }: HeldCursor & { lease_until: number },
): Promise<boolean> {
  requireCursorValue(value)
  requireStorable(name)
  const update = setting({ value, lease_until })
  const done = await held(
    table.update({
      Key: cursorKey(name),
      ...update,
      ConditionExpression: '#token = :token',
      ExpressionAttributeNames: { ...update.ExpressionAttributeNames, '#token': 'token' },
      ExpressionAttributeValues: { ...update.ExpressionAttributeValues, ':token': token },
    }),
  )
  return done
}
