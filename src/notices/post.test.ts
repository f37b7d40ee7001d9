import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'

/**
 * Runs in a network of its own, where nothing is but this machine: `receiver.example` is wherever its `/etc/hosts` says,
 * and a receiver listens at every address of its loopback.
 */
const program = `
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { openPoster } from ${JSON.stringify(join(import.meta.dirname, 'post.ts'))}
let reached = 0
const server = createServer((request, reply) => { reached += 1; request.resume(); reply.writeHead(204).end() })
await new Promise((resolve) => server.listen(0, '::', resolve))
const url = new URL('http://receiver.example:' + server.address().port + '/hooks')
const said = []
for (const mayBeInternal of [true, false]) {
  const poster = openPoster({ mayBeInternal })
  for (const addresses of [['8.8.8.8'], ['127.0.0.1'], ['8.8.8.8', '127.0.0.1'], ['::1'], ['8.8.4.4']]) {
    writeFileSync('/etc/hosts', addresses.map((address) => address + ' receiver.example\\n').join(''))
    const { status, error } = await poster.post(url, { headers: {}, body: '{}', signal: new AbortController().signal })
    said.push({ mayBeInternal, addresses: addresses.join(), status, error })
  }
  poster.close()
}
server.close()
console.log(JSON.stringify({ reached, said }))
`

describe('posting', () => {
  test('a name that led elsewhere before and is at an internal address now is refused when connecting', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'post-'))
    try {
      const [hosts, script] = [join(folder, 'hosts'), join(folder, 'program.ts')]
      await writeFile(hosts, '')
      await writeFile(script, program)
      const apart = ['--dev-bind', '/', '/', '--bind', hosts, '/etc/hosts', '--unshare-net', '--die-with-parent']
      const node = [process.execPath, '--disable-warning=ExperimentalWarning', script]
      const { stdout } = await promisify(execFile)('bwrap', [...apart, ...node], { timeout: 60_000 })
      const { reached, said } = JSON.parse(stdout)
      const of = (mayBeInternal: boolean) =>
        said.filter((one: { mayBeInternal: boolean }) => one.mayBeInternal === mayBeInternal)
      // Where it is allowed, the same names lead to the receiver: so it could have been reached.
      assert.deepEqual(
        of(true).map(({ status }: { status: number | null }) => status),
        [null, 204, 204, 204, 204],
      )
      assert.equal(reached, 4, 'where it is refused nothing reaches it')
      const errors = of(false).map(({ error }: { error: string }) => error)
      assert.match(errors[0], /8\.8\.8\.8/)
      for (const refused of errors.slice(1, 4)) assert.match(refused, /internal address .*WEBHOOKS_ALLOW_INTERNAL/)
      assert.match(errors[4], /8\.8\.4\.4/)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})
