import assert from 'node:assert/strict'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Attack } from '../../../acceptance/hostile/attack.ts'
import { attacks, wandering } from '../../../acceptance/hostile/attacks.ts'
import { type Canaries, openCanaries } from '../../../acceptance/hostile/canaries.ts'
import { makeSeeds, type Seeds } from '../../../acceptance/hostile/seeds.ts'
import { codeOf } from '../../media/errors.ts'
import { parseS3Url } from '../../media/locations.ts'
import { hasLocalFiles } from '../../objects/port.ts'
import { ffmpeg, openTestbed, type Testbed } from '../testbed.test.ts'
import { probeSandbox } from '../tools/sandbox.ts'

/** What is refused at the door is here handed to the tools all the same, as if the door had been fooled. */
const { kind: strongest, reason } = await probeSandbox('auto')
const without = strongest === 'bwrap' || process.env.CI ? false : `${reason} (with CI set this fails)`
const all = process.env.HOSTILE === 'all'
const chosenFor = { bwrap: attacks, weak: all ? attacks : wandering }
const failures = ['undecodable', 'no_streams', 'unsupported_media']

for (const kind of ['bwrap', 'weak'] as const) {
  describe(`hostile files in the ${kind} sandbox`, { skip: kind === 'bwrap' && without, concurrency: 2 }, () => {
    let bed: Testbed
    let aims: Canaries
    let seeds: Seeds
    before(async () => {
      bed = await openTestbed({ env: { SANDBOX: kind } })
      aims = await openCanaries()
      seeds = await makeSeeds()
    })
    after(async () => {
      assert.deepEqual(
        await readdir(bed.workRoot).then((names) => names.filter((name) => !name.startsWith('picture-'))),
        [],
      )
      await bed.close()
      await aims.close()
    })

    async function run({ name, as, bytes, content_type }: Attack): Promise<string> {
      const path = join(bed.folder, name.replaceAll(/\W/g, '-'))
      await writeFile(path, await bytes({ aims, seeds }))
      try {
        const processed = await bed.process(path, { media_type: as, ...(content_type ? { content_type } : {}) })
        for (const { s3_url } of processed.renditions) {
          const made = hasLocalFiles(bed.objects) ? await bed.objects.pathOf(parseS3Url(s3_url)) : null
          assert.ok(!(await readFile(made ?? '')).includes(aims.words), `${s3_url} shows what it must not`)
        }
        return 'processed'
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error
        return codeOf(error)
      } finally {
        await rm(path)
      }
    }

    if (kind === 'weak') {
      // Without the lists that ours gets, ffmpeg goes wherever it is sent: the canaries are awake.
      test('would be followed by an ffmpeg that may', async () => {
        const own = await openCanaries()
        const list = join(bed.folder, 'list.m3u8')
        const [attack] = attacks.filter(({ name }) => name === 'HLS')
        await writeFile(list, (await attack?.bytes({ aims: own, seeds })) ?? '')
        const open = ['-protocol_whitelist', 'file,http,tcp,crypto,concat', '-allowed_extensions', 'ALL']
        await ffmpeg(...open, '-i', list, '-f', 'null', '-').catch(() => {})
        const came = own.visits()
        await own.close()
        assert.ok(came.includes('tcp') && came.includes('file'), `only ${came}`)
      })
    }

    for (const attack of chosenFor[kind].filter(({ quick }) => quick || all)) {
      test(attack.name, async (t) => {
        const began = Date.now()
        const ended = await run(attack)
        const seconds = (Date.now() - began) / 1000
        t.diagnostic(`${ended} in ${seconds.toFixed(1)} s`)
        assert.deepEqual(aims.visits(), [], 'somebody came')
        assert.ok([...attack.ends, ...failures].includes(ended), `ended as ${ended}`)
        assert.ok(seconds < 30, `took ${seconds} s`)
      })
    }
  })
}
