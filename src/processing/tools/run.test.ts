import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '../../media/clock.ts'
import { MediaError } from '../../media/errors.ts'
import { type Command, openRunner, type Runner } from './run.ts'
import { findProgram, isVideoSafe, type Limits, probeSandbox, type Sandbox } from './sandbox.ts'

const limits: Limits = { memory: 256 * 1024 ** 2, seconds: 60, fileBytes: 1024 ** 2, fewAddresses: true, niceness: 0 }

/** Some containers allow no namespaces: there the weak sandbox is all there is, and CI must not pass for it. */
const { kind: strongest, reason } = await probeSandbox('auto')
const without = strongest === 'bwrap' || process.env.CI ? false : `${reason} (with CI set this fails)`

for (const kind of ['bwrap', 'weak'] as const) {
  describe(`tools in the ${kind} sandbox`, { skip: kind === 'bwrap' && without }, () => {
    let sandbox: Sandbox
    let runner: Runner
    let folder: string
    let shell: string

    before(async () => {
      sandbox = await probeSandbox(kind)
      runner = openRunner({ sandbox, clock: systemClock })
      folder = await realpath(await mkdtemp(join(tmpdir(), 'run-')))
      shell = (await findProgram('sh')) ?? ''
    })
    after(async () => await rm(folder, { recursive: true, force: true }))

    const sh = (script: string, changes: Partial<Command> = {}) =>
      runner.run({ program: shell, args: ['-c', script], folder, reads: [], limits, ...changes })
    const failsWith = (code: string) => (error: unknown) => error instanceof MediaError && error.code === code

    test('gives back what a program says and how it ends', async () => {
      const lines: string[] = []
      const script = 'echo out; echo wrong >&2; echo more >&2; exit 3'
      const { exitCode, stdout, stderr } = await sh(script, { onLine: (line) => lines.push(line) })
      assert.equal(exitCode, 3)
      assert.equal(stdout.toString(), 'out\n')
      assert.equal(stderr, 'wrong\nmore')
      assert.deepEqual(lines, ['wrong', 'more'])
    })

    test('tells paths of this machine to nobody', async () => {
      const { stderr } = await sh('echo "/var/lib/media/raw: broken" >&2; exit 1')
      assert.equal(stderr, 'raw: broken')
    })

    test('starts in its folder, with no environment of ours', async () => {
      process.env.SECRET_FOR_TEST = 'hidden'
      const { stdout } = await sh('pwd; env')
      delete process.env.SECRET_FOR_TEST
      assert.ok(stdout.toString().startsWith(`${folder}\n`))
      assert.doesNotMatch(stdout.toString(), /SECRET|HOME|DATA_DIR/)
    })

    test('ends what holds too much memory', async () => {
      // A shell that doubles a text holds it.
      const script = 'x=aaaaaaaaaaaaaaaa; while :; do x="$x$x"; done'
      const small = { ...limits, memory: 32 * 1024 ** 2 }
      await assert.rejects(sh(script, { limits: small }), failsWith('memory_exceeded'))
    })

    test('ends what takes too long, with all that it started', async () => {
      const script = `sleep 300 & sleep 301 & echo ready; wait`
      let ready = false
      const run = sh(script, { limits: { ...limits, seconds: 0.4 }, onOutput: () => (ready = true) })
      await assert.rejects(run, failsWith('deadline_exceeded'))
      assert.equal(ready, true)
      assert.equal(await runningWith(folder), 0)
    })

    test('ends at the signal, with the reason', async () => {
      const abort = new AbortController()
      const reason = new MediaError('lease_lost', 'somebody else has it')
      const run = sh('echo ready; sleep 300', { signal: abort.signal, onOutput: () => abort.abort(reason) })
      await assert.rejects(run, (error) => error === reason)
      assert.equal(await runningWith(folder), 0)
    })

    test('does not start at all after the signal', async () => {
      await assert.rejects(sh('touch started', { signal: AbortSignal.abort() }), failsWith('interrupted'))
      assert.ok(!(await readdir(folder)).includes('started'))
    })

    test('ends what writes too much', async () => {
      const script = 'head -c 3000000 /dev/zero > large; exit $?'
      const { exitCode } = await sh(script).catch((error) => ({ exitCode: (error as MediaError).code }))
      assert.ok(exitCode === 'output_too_large' || exitCode !== 0)
    })

    test('ends what talks too much', async () => {
      await assert.rejects(sh('head -c 8000000 /dev/zero'), failsWith('tool_crashed'))
    })

    test('tells a crash from a refusal', async () => {
      await assert.rejects(sh('kill -SEGV $$'), failsWith('tool_crashed'))
    })

    test('says when the program is not there', async () => {
      await assert.rejects(sh('', { program: join(folder, 'nothing') }), failsWith('tool_missing'))
    })

    test('has a child wait for its work', async () => {
      const running = runner.start({ program: shell, args: ['-c', 'read x; echo "got $x"'], folder, reads: [], limits })
      running.begin('work\n')
      assert.equal((await running.finished).stdout.toString(), 'got work\n')
    })

    test('has no descriptor of ours', async () => {
      const { stdout } = await sh('ls /proc/self/fd')
      assert.ok(stdout.toString().trim().split('\n').length <= 5, stdout.toString())
    })
  })
}

describe('bubblewrap', { skip: without }, () => {
  let runner: Runner
  let folder: string
  const open = async () => {
    runner = openRunner({ sandbox: await probeSandbox('bwrap'), clock: systemClock })
    folder = await realpath(await mkdtemp(join(tmpdir(), 'run-')))
  }
  before(open)
  after(async () => await rm(folder, { recursive: true, force: true }))
  const sh = (script: string, reads: string[] = []) =>
    runner.run({ program: '/usr/bin/bash', args: ['-c', script], folder, reads, limits })

  test('shows no other file, and lets nothing be written outside the folder', async () => {
    const secret = await mkdtemp(join(tmpdir(), 'secret-'))
    await writeFile(join(secret, 'key'), 'secret')
    const { stdout } = await sh(
      `cat ${secret}/key; ls /home /root /var /etc/passwd; touch /x /dev/shm/x /usr/x; echo kept > mine`,
    )
    await rm(secret, { recursive: true })
    assert.equal(stdout.toString(), '')
    assert.equal(await readFile(join(folder, 'mine'), 'utf8'), 'kept\n')
  })

  test('gives what it may read read-only', async () => {
    const given = await realpath(await mkdtemp(join(tmpdir(), 'given-')))
    await writeFile(join(given, 'raw'), 'raw')
    const { stdout, exitCode } = await sh(`cat ${given}/raw; echo more >> ${given}/raw`, [given])
    assert.equal(stdout.toString(), 'raw')
    assert.notEqual(exitCode, 0)
    assert.equal(await readFile(join(given, 'raw'), 'utf8'), 'raw')
    await rm(given, { recursive: true })
  })

  test('reaches no port of this machine', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    let visits = 0
    server.on('connection', () => visits++)
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : 0
    const { exitCode } = await sh(`echo hello > /dev/tcp/127.0.0.1/${port}`)
    server.close()
    assert.notEqual(exitCode, 0)
    assert.equal(visits, 0)
  })

  test('sees no other process', async () => {
    const { stdout } = await sh('ls -d /proc/[0-9]* | wc -l')
    assert.ok(Number(stdout) < 8, stdout.toString())
  })
})

test('video is safe where somebody asked for the weak sandbox, or on loopback', () => {
  assert.equal(isVideoSafe({ kind: 'bwrap', asked: false }, { loopback: false }), true)
  assert.equal(isVideoSafe({ kind: 'weak', asked: false }, { loopback: true }), true)
  assert.equal(isVideoSafe({ kind: 'weak', asked: true }, { loopback: false }), true)
  assert.equal(isVideoSafe({ kind: 'weak', asked: false }, { loopback: false }), false)
})

/** Processes of this machine that stand in a folder. */
async function runningWith(folder: string): Promise<number> {
  const { readlink } = await import('node:fs/promises')
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const places = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => '')))
  return places.filter((place) => place === folder).length
}
