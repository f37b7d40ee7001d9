import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { openShell, type Shell, valuesOf } from './media.ts'

describe('media serve and its like, for scripts', () => {
  let shell: Shell
  before(async () => {
    shell = await openShell('')
  })
  after(async () => await shell.remove())

  test('say where they listen as a line of JSON, and end by a signal with 0', async () => {
    for (const command of ['serve', 'edge']) {
      // The edge delivers what the service before it has made, with the key that it made.
      const run = shell.start([command, '--json', '--port', '0', '--data', 'data'], { LOG_LEVEL: 'warn' })
      while (!run.said.out.includes('\n')) await once(run.child.stdout ?? assert.fail(), 'data')
      const [{ role, url, lines } = {} as never] = valuesOf(run.said)
      assert.equal(role, command === 'serve' ? 'all' : 'edge')
      assert.ok(lines[0].endsWith(`is listening on ${url}`), run.said.out)
      assert.ok((await fetch(url)).status < 500)
      run.child.kill('SIGTERM')
      assert.equal((await run.ended).code, 0, run.said.err)
    }
  })

  test('say each step of a set-up, and what is wrong, as JSON', async () => {
    const steps = await shell.start(['setup', '--json']).ended
    assert.equal(steps.code, 0)
    assert.deepEqual(
      valuesOf(steps).map(({ step }) => step.split(':')[0]),
      ['objects', 'metadata', 'queue'],
    )
    for (const [command, env, words] of [
      ['serve', { PORT: 'x' }, /^PORT takes a whole number/],
      ['worker', {}, /needs engines that several processes share/],
      ['edge', { EDGE_PUBLIC: 'true', PORT: '0' }, /set EDGE_ORIGIN/],
    ] as const) {
      const said = await shell.start([command, '--json'], env).ended
      assert.deepEqual([said.code, said.out], [1, ''])
      const line = said.err.split('\n').find((one) => one.startsWith('{"error"')) ?? assert.fail(said.err)
      assert.match(JSON.parse(line).error.message, words)
    }
  })
})
