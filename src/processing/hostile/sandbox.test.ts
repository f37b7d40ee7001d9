import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, readlink, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Canaries, openCanaries } from '../../../acceptance/hostile/canaries.ts'
import { systemClock } from '../../media/clock.ts'
import { MediaError } from '../../media/errors.ts'
import { openRunner, type Runner } from '../tools/run.ts'
import { type Limits, probeSandbox, threadLimit } from '../tools/sandbox.ts'

const limits: Limits = { memory: 512 * 1024 ** 2, seconds: 30, fileBytes: 1024 ** 2, fewAddresses: true, niceness: 0 }
const { kind: strongest, reason } = await probeSandbox('auto')
const without = strongest === 'bwrap' || process.env.CI ? false : `${reason} (with CI set this fails)`
const failsWith = (code: string) => (error: unknown) => error instanceof MediaError && error.code === code

/** A program that tries all it can think of to see or reach something, and says what came of it. */
const intruder = `
const [net, dgram, fs] = ['net', 'dgram', 'fs'].map((name) => process.getBuiltinModule(name))
const aims = JSON.parse(process.argv[1])
const said = {}
const tell = (name, text) => { said[name] = String(text).trim() }
const read = (name, path) => {
  try { tell(name, fs.readFileSync(path, 'utf8')) } catch (error) { tell(name, error.code) }
}
const connect = (name, where) => new Promise((done) => {
  const socket = net.connect(where)
  const over = (text) => { tell(name, text); socket.destroy(); done() }
  socket.setTimeout(1000, () => over('timeout'))
  socket.on('connect', () => setTimeout(() => over('connected'), 50)).on('error', (error) => over(error.code))
})
const send = (type, port, host) => new Promise((done) => {
  const socket = dgram.createSocket(type)
  socket.on('error', () => done())
  socket.send('hello', port, host, () => { socket.close(); done() })
})
read('secret', aims.secret)
read('trap', aims.trap)
read('link', 'link')
read('key', aims.key)
read('users', '/etc/passwd')
read('parent', '/proc/' + process.ppid + '/environ')
await connect('tcp', { port: aims.tcp.v4, host: '127.0.0.1' })
await connect('tcp6', { port: aims.tcp.v6, host: '::1' })
await connect('unix', { path: aims.unix })
await connect('abstract', { path: aims.abstract })
await send('udp4', aims.udp.v4, '127.0.0.1')
await send('udp6', aims.udp.v6, '::1')
said.environment = Object.keys(process.env).sort().join(' ')
console.log(JSON.stringify(said))
`

for (const kind of ['bwrap', 'weak'] as const) {
  describe(`an intruder in the ${kind} sandbox`, { skip: kind === 'bwrap' && without }, () => {
    let runner: Runner
    let canaries: Canaries
    let folder: string
    before(async () => {
      runner = openRunner({ sandbox: await probeSandbox(kind), clock: systemClock })
      canaries = await openCanaries()
      folder = await realpath(await mkdtemp(join(tmpdir(), 'hostile-')))
    })
    after(async () => {
      await canaries.close()
      await rm(folder, { recursive: true, force: true })
    })
    const sh = (script: string, changes: Partial<Limits> = {}) => {
      // The link that the intruder finds is still there.
      const confined = { folder, reads: [], limits: { ...limits, ...changes }, mayLeaveAnything: true as const }
      return runner.run({ program: '/usr/bin/bash', args: ['-c', script], ...confined })
    }

    async function intrude(): Promise<Record<string, string>> {
      const key = join(canaries.folder, 'cdn-private.pem')
      await writeFile(key, canaries.words)
      await symlink(canaries.secret, join(folder, 'link')).catch(() => {})
      const { exitCode, stdout, stderr } = await runner.run({
        program: process.execPath,
        args: ['--input-type=module', '-e', intruder, JSON.stringify({ ...canaries, key })],
        folder,
        reads: [],
        limits: { ...limits, fewAddresses: false },
        mayLeaveAnything: true,
      })
      assert.equal(exitCode, 0, stderr)
      await sleep(60) // what was sent by datagram may still be on its way
      return JSON.parse(stdout.toString())
    }

    if (kind === 'bwrap') {
      test('reaches nobody, opens nothing and learns nothing', async () => {
        const said = await intrude()
        assert.deepEqual(canaries.visits(), [])
        assert.ok(!JSON.stringify(said).includes(canaries.words), JSON.stringify(said))
        for (const name of ['secret', 'trap', 'link', 'key', 'users']) assert.equal(said[name], 'ENOENT', name)
        for (const name of ['tcp', 'tcp6', 'unix', 'abstract']) assert.notEqual(said[name], 'connected', name)
        const kept = await readdir(folder)
        assert.deepEqual(kept, ['link'])
      })

      test('is held to a number of processes where the system counts them apart', async () => {
        const { stdout } = await sh('ulimit -u')
        assert.equal(stdout.toString().trim(), String(threadLimit))
      })
    } else {
      // Limits only, as it says: what this shows is that the canaries notice.
      test('reaches and reads what the service can, which the canaries notice', async () => {
        const said = await intrude()
        const came = new Set(canaries.visits())
        assert.deepEqual([...came].sort(), ['abstract', 'file', 'tcp', 'tcp6', 'udp', 'udp6', 'unix'])
        assert.equal(said.secret, canaries.words)
      })
    }

    test('is given no environment of the service', async () => {
      process.env.AWS_SECRET_ACCESS_KEY = 'hidden'
      const { environment, parent } = await intrude()
      delete process.env.AWS_SECRET_ACCESS_KEY
      canaries.visits()
      assert.match(environment ?? '', /^LANG( PWD)? PATH( PWD)?$/)
      if (kind === 'bwrap') assert.ok(!parent?.includes('hidden'), parent)
    })

    test('that multiplies is ended, and all of it', async () => {
      const script = 'for i in $(seq 200); do sleep 300 & done; wait'
      await assert.rejects(sh(script), failsWith('tool_crashed'))
      assert.equal(await runningIn(folder), 0)
    })

    test('that multiplies later is noticed as soon', async () => {
      const began = Date.now()
      const script = 'sleep 0.5; for i in $(seq 100); do sleep 300 & done; wait'
      await assert.rejects(sh(script), failsWith('tool_crashed'))
      assert.ok(Date.now() - began < 3000, `${Date.now() - began} ms`)
      assert.equal(await runningIn(folder), 0)
    })

    test('that leaves its group is ended with it at the deadline', async () => {
      await assert.rejects(sh('setsid sleep 300 & sleep 300', { seconds: 0.4 }), failsWith('deadline_exceeded'))
      assert.equal(await runningIn(folder), 0)
    })

    test('that ends leaves nobody behind', async () => {
      const { exitCode } = await sh('sleep 300 & exit 0')
      assert.equal(exitCode, 0)
      assert.equal(await runningIn(folder), 0)
    })

    test('that shares its memory out among many is held to the sum', async () => {
      const half = `exec ${process.execPath} -e 'a=Buffer.alloc(9e7,1);setTimeout(()=>a,20000)'`
      const script = `(${half}) & (${half}) & (${half}) & wait`
      const confined = {
        folder,
        reads: [process.execPath],
        limits: { ...limits, fewAddresses: false, memory: 2 ** 28 },
      }
      const run = runner.run({ program: '/usr/bin/bash', args: ['-c', script], ...confined })
      await assert.rejects(run, failsWith('memory_exceeded'))
      assert.equal(await runningIn(folder), 0)
    })

    test('that fills its folder is stopped at the limit of a file', async () => {
      await sh('head -c 5000000 /dev/zero > large').catch(() => {})
      assert.ok((await readFile(join(folder, 'large'))).length <= limits.fileBytes)
      await rm(join(folder, 'large'))
    })

    test('dies with the service', async () => {
      const program = `
        import { openRunner } from ${JSON.stringify(join(import.meta.dirname, '../tools/run.ts'))}
        import { probeSandbox } from ${JSON.stringify(join(import.meta.dirname, '../tools/sandbox.ts'))}
        import { systemClock } from ${JSON.stringify(join(import.meta.dirname, '../../media/clock.ts'))}
        const runner = openRunner({ sandbox: await probeSandbox('${kind}'), clock: systemClock })
        const confined = ${JSON.stringify({ folder, reads: [], limits })}
        const onOutput = () => console.log('ready')
        await runner.run({ program: '/usr/bin/bash', args: ['-c', 'echo ready; exec sleep 300'], ...confined, onOutput })
      `
      const flags = ['--disable-warning=ExperimentalWarning', '--input-type=module']
      const service = spawn(process.execPath, [...flags, '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
      await once(service.stdout, 'data')
      assert.equal((await runningIn(folder)) > 0, true)
      service.kill('SIGKILL')
      await once(service, 'close')
      const deadline = Date.now() + 3000
      while ((await runningIn(folder)) > 0 && Date.now() < deadline) await sleep(20)
      assert.equal(await runningIn(folder), 0)
    })
  })
}

/** Processes of this machine that stand in a folder. */
async function runningIn(folder: string): Promise<number> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const places = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => '')))
  return places.filter((place) => place === folder).length
}
