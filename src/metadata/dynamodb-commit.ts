import type { Chance, Clock } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import { isKeyable, jobKey, type Known, knownOf, recordKey, setting } from './dynamodb-items.ts'
import { type Plan, planCommit } from './dynamodb-plan.ts'
import { backoff, type Item, patienceMs, type Table } from './dynamodb-table.ts'
import type { Commit, Committed } from './port.ts'

/** What an attempt at a commit came to. */
type Outcome = 'done' | 'conflict' | 'again'

/**
 * Commits: reads the record, decides, and writes all in one transaction on the condition that the record is as read.
 * Another's commit in between makes it read and decide anew, so that only the caller's own conditions fail it.
 */
export async function commitTo(
  table: Table,
  change: Commit,
  { clock, chance }: { clock: Clock; chance: Chance },
): Promise<Committed> {
  const plans = new Map<string, Plan>()
  let deadline: number | null = null
  for (let tries = 0; ; tries++) {
    // Of a new record nothing need be known: its write is refused where there is one.
    const known = change.expect.absent && tries === 0 ? null : await readKnown(table, change.media_id, clock)
    const own = ownOf(known, plans)
    if (own) return own.committed
    const id = chance.uuid()
    const plan = planCommit(change, known, { now: clock.now(), id })
    if (plan.writes.length === 0) return plan.committed
    if (plan.retires) await retireItems(table, change.media_id, plan.retires)
    plans.set(id, plan)
    const outcome = await attempt(table, plan, id)
    if (outcome === 'done') return plan.committed
    if (outcome === 'conflict') return await settle(table, change, plans, clock)
    deadline ??= clock.now() + patienceMs
    const pause = backoff(Math.min(tries, 5), chance)
    if (clock.now() + pause > deadline)
      throw new MediaError('unavailable', `others kept changing ${change.media_id} for ${patienceMs / 1_000} s`)
    await clock.sleep(pause)
  }
}

export async function readKnown(table: Table, media_id: string, clock: Clock): Promise<Known | null> {
  const item = isKeyable(media_id) ? await table.get(recordKey(media_id)) : null
  if (!item || (item.expires_at ?? Number.POSITIVE_INFINITY) * 1_000 <= clock.now()) return null
  return knownOf(item)
}

async function attempt(table: Table, plan: Plan, id: string): Promise<Outcome> {
  const reasons = await table.transact(plan.writes, id)
  if (reasons === null) return 'done'
  const codes = reasons.map(({ Code }) => Code ?? 'None')
  const wrong = reasons.find(({ Code }) => Code === 'ValidationError' || Code === 'ItemCollectionSizeLimitExceeded')
  if (wrong) throw new MediaError('internal', `DynamoDB refused a write: ${wrong.Code}: ${wrong.Message}`)
  // The record is as this driver read it, or somebody else was faster; a job's condition is the caller's.
  const failed = codes.flatMap((code, index) => (code === 'ConditionalCheckFailed' ? [index] : []))
  return failed.some((index) => plan.callers.includes(index)) ? 'conflict' : 'again'
}

/** A commit of ours, of which the answer was lost: it is found by its mark. */
function ownOf(known: Known | null, plans: ReadonlyMap<string, Plan>): Plan | undefined {
  return known?.recent.map((id) => plans.get(id)).find((plan) => plan !== undefined)
}

/** A refused condition may have been changed by this very commit, before. @throws MediaError `conflict` when it was not. */
async function settle(
  table: Table,
  change: Commit,
  plans: ReadonlyMap<string, Plan>,
  clock: Clock,
): Promise<Committed> {
  const own = ownOf(await readKnown(table, change.media_id, clock), plans)
  if (own) return own.committed
  for (const job of change.jobs ?? []) {
    const item = await table.get(jobKey('create' in job ? job.create.job_id : job.job_id))
    const plan = plans.get(item?.commit)
    if (plan) return plan.committed
  }
  throw new MediaError('conflict', `${change.media_id} or its job is not as expected: ${JSON.stringify(change.expect)}`)
}

/** Lets the jobs and events of a media that is gone expire with its record, which is written last. */
async function retireItems(table: Table, media_id: string, expires_at: number): Promise<void> {
  for (let start: Item | undefined; ; ) {
    const page = await table.query({
      ConsistentRead: true,
      KeyConditionExpression: 'PK = :pk AND SK BETWEEN :first AND :last',
      FilterExpression: 'attribute_not_exists(expires_at)',
      ExpressionAttributeValues: { ':pk': recordKey(media_id).PK, ':first': 'E#', ':last': 'J#~' },
      ProjectionExpression: 'PK, SK',
      ExclusiveStartKey: start,
    })
    for (const { PK, SK } of page.Items ?? []) {
      await table.update({ Key: { PK, SK }, ...setting({ expires_at }) })
    }
    start = page.LastEvaluatedKey
    if (!start) return
  }
}
