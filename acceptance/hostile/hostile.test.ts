import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startTarget, type Target } from '../target.ts'
import type { Given } from './attack.ts'
import { attacks, wandering } from './attacks.ts'
import { openCanaries } from './canaries.ts'
import { makeSeeds } from './seeds.ts'
import { besiege } from './siege.ts'

/** Every hostile file through the whole service, one at a time, so that its time and memory are its own. */
for (const [sandbox, list] of Object.entries({ auto: attacks, weak: wandering })) {
  describe(`a service besieged, SANDBOX=${sandbox}`, () => {
    let target: Target
    let given: Given
    before(async () => {
      target = await startTarget({ env: { SANDBOX: sandbox, LOG_LEVEL: 'silent' } })
      given = { aims: await openCanaries(), seeds: await makeSeeds() }
    })
    after(async () => {
      assert.equal((await fetch(`${target.url}/readyz`)).status, 200)
      await target.stop()
      await given.aims.close()
    })

    for (const attack of list) {
      test(attack.name, async (t) => {
        const { ended, seconds, peak } = await besiege(target, attack, given)
        const mebibytes = Math.round(peak / 1024 ** 2)
        t.diagnostic(`${ended} in ${seconds.toFixed(1)} s, ${mebibytes} MiB`)
        assert.ok((attack.ends as readonly string[]).includes(ended), `ended as ${ended}`)
        assert.deepEqual(given.aims.visits(), [], 'somebody came')
        assert.ok(seconds < 30, `took ${seconds} s`)
        if (attack.as === 'image') assert.ok(mebibytes < 512, `held ${mebibytes} MiB`)
      })
    }
  })
}
