import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openInlineStore, type Step } from '../embedded/store.ts'
import { openTemporaryStore } from '../embedded/testing.ts'
import { describeMetadata } from './conformance.ts'
import { openEmbeddedMetadata } from './embedded.ts'

describeMetadata('embedded', async () => {
  const { store, close } = await openTemporaryStore()
  return { metadata: openEmbeddedMetadata(store), close }
})

describeMetadata('embedded, inline', async () => {
  const store = openInlineStore()
  return { metadata: openEmbeddedMetadata(store), close: store.close }
})

test('metadata: embedded, every read goes by an index', async () => {
  const store = openInlineStore()
  const plans: string[] = []
  const query = async (steps: readonly Step[]) => {
    for (const { sql, params = {} } of steps) {
      const [plan = []] = await store.query([{ sql: `EXPLAIN QUERY PLAN ${sql}`, params }])
      plans.push(plan.map(({ detail }) => detail).join('; '))
    }
    return await store.query(steps)
  }
  const metadata = openEmbeddedMetadata({ ...store, query })
  await metadata.list({ user_id: 'u', limit: 5, status: 'failed', media_type: 'image', q: 'x' })
  await metadata.dueJobs(1, 1)
  await metadata.jobsOf('m')
  await metadata.timeline('m', 0, 1)
  await metadata.readLog(null, 1)
  await metadata.deliveries.get('d')
  await metadata.deliveries.due('e', 1, 1)
  await metadata.deliveries.first('e', 'm')
  for (const state of ['queued', 'parked'] as const) await metadata.listJobs({ state, limit: 1 })
  await metadata.oldestDue('tasks')
  for (const held of [true, false]) await metadata.userJobs('u', { held, limit: 1 })
  await metadata.usageOf('u')
  assert.equal(plans.length, 15)
  for (const plan of plans) assert.doesNotMatch(plan, /SCAN (media|jobs|events|deliveries)/)
  assert.match(plans[0] ?? '', /media_by_user \(user_id=\? AND \(upload_time,media_id\)<\(\?,\?\)\)/)
  await store.close()
})
