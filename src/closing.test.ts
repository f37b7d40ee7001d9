import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openVirtualClock, seededRandom } from '../simulation/clock.ts'
import { openClosers } from './closing.ts'
import { silentLog } from './media/log.ts'

test('rooms close from the last to the first; one that hangs or fails does not keep the others open', async () => {
  const clock = openVirtualClock(0, seededRandom(1))
  const closed: string[] = []
  const said: unknown[] = []
  const log = { ...silentLog, warn: (fields: object, message: string) => void said.push([fields, message]) }
  const closers = openClosers({ clock, log })
  closers.add('first', () => void closed.push('first'))
  closers.add('hangs', () => new Promise(() => {}), 5_000)
  closers.add('throws', () => {
    throw new Error('broken')
  })
  closers.add('last', async () => void closed.push('last'))
  const done = closers.closeAll()
  await clock.run({ until: 14_999 })
  assert.deepEqual(closed, ['last'])
  await clock.run({ until: 15_000 })
  await done
  assert.deepEqual(closed, ['last', 'first'])
  assert.equal(said.length, 2)
  await closers.closeAll()
  assert.deepEqual(closed, ['last', 'first'], 'nothing is closed twice')
})
