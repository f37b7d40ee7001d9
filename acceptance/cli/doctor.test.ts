import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { chmod, mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { openShell, type Shell, valuesOf } from './media.ts'

interface Finding {
  check: string
  status: 'ok' | 'warning' | 'error'
  detail: string
  mend?: string
}

describe('media doctor', () => {
  let shell: Shell
  before(async () => {
    shell = await openShell('')
  })
  after(async () => await shell.remove())

  async function findings(env: Record<string, string>, how: { within?: string[] } = {}) {
    const said = await shell.start(['doctor', '--json'], { PORT: '0', ...env }, how).ended
    return { code: said.code, of: (check: string) => valuesOf<Finding>(said).filter((one) => one.check === check) }
  }

  test('finds this machine well, and changes nothing', async () => {
    const said = await shell.start(['doctor', '--data', 'nowhere/yet'], { PORT: '0' }).ended
    assert.equal(said.code, 0, said.out + said.err)
    for (const check of [
      'node',
      'settings',
      'ffmpeg',
      'codecs',
      'pictures',
      'large pictures',
      'sandbox',
      'disk',
      'fsync',
      'port',
    ]) {
      assert.match(said.out, new RegExp(`^(ok|warning) +${check} `, 'm'))
    }
    assert.match(said.out, /codecs +libx264 aac .*zscale tonemap/)
    assert.deepEqual(await readdir(shell.folder), [])
  })

  test('a wrong setting is named, and nothing else is looked at', async () => {
    const { code, of } = await findings({ PORT: '99999', OBJECTS_DRIVER: 'tape' })
    assert.equal(code, 1)
    assert.match(of('settings')[0]?.detail ?? '', /^PORT takes /)
    assert.match(of('settings')[1]?.detail ?? '', /^OBJECTS_DRIVER takes /)
    assert.deepEqual(of('ffmpeg'), [])
  })

  test('an ffmpeg that lacks what is needed', async () => {
    const none = await findings({ FFMPEG_PATH: '/nowhere/ffmpeg' })
    assert.equal(none.code, 1)
    assert.match(none.of('ffmpeg')[0]?.mend ?? '', /apt-get install ffmpeg/)

    const poor = join(shell.folder, 'ffmpeg')
    // The real one, without what another build may lack.
    await writeFile(poor, '#!/bin/sh\nffmpeg "$@" | grep -v -e zscale -e " aac " -e libdav1d -e libaom -e " av1 "\n')
    await chmod(poor, 0o755)
    const { code, of } = await findings({ FFMPEG_PATH: poor })
    assert.equal(code, 1)
    const lacking = of('codecs').filter(({ status }) => status !== 'ok')
    assert.deepEqual(
      lacking.map(({ status, detail }) => [status, /has no (\w+ \w+)/.exec(detail)?.[1]]),
      [
        ['error', 'encoder aac'],
        ['warning', 'decoder av1'],
        ['warning', 'decoder aac'],
        ['warning', 'filter zscale'],
      ],
    )
    assert.ok(lacking.every(({ mend }) => mend?.includes('FFMPEG_PATH')))
  })

  test('keys that are none, or of the wrong kind', async () => {
    const small = join(shell.folder, 'small.pem')
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    await writeFile(small, privateKey.export({ type: 'pkcs8', format: 'pem' }))
    const short = join(shell.folder, 'short.key')
    await writeFile(short, 'short')
    const { code, of } = await findings({
      CDN_PRIVATE_KEY_FILE: small,
      AUTH_UPLOAD_KEY_FILE: short,
      AUTH_API_KEYS_FILE: '/nowhere/keys',
    })
    assert.equal(code, 1)
    assert.match(of('delivery key')[0]?.detail ?? '', /neither an ECDSA P-256 key nor an RSA key of 2048/)
    assert.match(of('upload key')[0]?.detail ?? '', /fewer than 32 bytes/)
    assert.match(of('API keys')[0]?.detail ?? '', /AUTH_API_KEYS_FILE names a file that cannot be read/)
  })

  test('secrets that anybody here can read', async () => {
    const keys = join(shell.folder, 'open/keys')
    await mkdir(keys, { recursive: true })
    const [made, named] = [join(keys, 'upload-tokens'), join(shell.folder, 'upload.key')]
    for (const file of [made, named, join(keys, 'cdn-public.pem')]) await writeFile(file, 'x'.repeat(32))
    const env = { DATA_DIR: join(shell.folder, 'open'), AUTH_UPLOAD_KEY_FILE: named }
    for (const file of [made, named]) await chmod(file, 0o644)
    const { code, of } = await findings(env)
    assert.equal(code, 0, 'the service works')
    assert.deepEqual(
      of('secrets').map(({ status, mend }) => [status, mend]),
      [made, named].map((file) => ['warning', `chmod 600 ${file}`]),
    )
    for (const file of [made, named]) await chmod(file, 0o600)
    assert.deepEqual((await findings(env)).of('secrets'), [])
  })

  test('no sandbox: at a loopback address a warning, elsewhere videos are refused', async () => {
    const bin = join(shell.folder, 'bin')
    await mkdir(bin)
    const { stdout } = await promisify(execFile)('sh', [
      '-c',
      'for one in ffmpeg ffprobe prlimit setpriv nice; do command -v $one; done',
    ])
    for (const program of stdout.trim().split('\n')) await symlink(program, join(bin, program.split('/').at(-1) ?? ''))
    const without = await findings({ PATH: bin })
    assert.equal(without.code, 0)
    const [found] = without.of('sandbox')
    assert.deepEqual([found?.status, found?.detail], ['warning', 'weak: bubblewrap (bwrap) is not installed.'])
    assert.match(found?.mend ?? '', /apt-get install bubblewrap/)
    const large = without.of('large pictures').map(({ status, detail, mend }) => `${status} ${detail} ${mend}`)
    assert.match(large[0] ?? '', /^warning heif-convert is not there: HEIC .* apt-get install libheif-examples/)
    assert.match(large[1] ?? '', /^warning avifdec is not there: AVIF .* apt-get install libavif-bin/)

    const keys = join(shell.folder, 'some keys')
    await writeFile(keys, `${'0'.repeat(64)} ada\n`)
    // As one says in a container without namespaces of its own.
    await writeFile(join(bin, 'bwrap'), '#!/bin/sh\necho "No permissions to create new namespace" >&2\nexit 1\n', {
      mode: 0o755,
    })
    const open = await findings({ PATH: bin, HOST: '0.0.0.0', AUTH_API_KEYS_FILE: keys })
    assert.equal(open.code, 1)
    assert.match(open.of('sandbox')[0]?.detail ?? '', /No permissions .* Video and sound are refused/)
    assert.match(open.of('sandbox')[0]?.mend ?? '', /allow user namespaces, or say SANDBOX=weak/)
    const forced = await findings({ PATH: bin, SANDBOX: 'bwrap' })
    assert.equal(forced.of('sandbox')[0]?.status, 'error')
    assert.equal((await findings({ PATH: bin, SANDBOX: 'weak' })).of('sandbox')[0]?.status, 'ok')
  })

  test('a disk that is nearly full, and one that will be soon', async () => {
    const place = join(shell.folder, 'small')
    await mkdir(place)
    const cases = [
      [512 * 1024 ** 2, 'error'],
      [4 * 1024 ** 3, 'warning'],
    ] as const
    for (const [size, status] of cases) {
      // A disk of its own: memory, of which nothing is used.
      const disk = ['--dev-bind', '/', '/', '--size', String(size), '--tmpfs', place]
      const { code, of } = await findings({ DATA_DIR: place }, { within: ['bwrap', ...disk] })
      const [found] = of('disk')
      assert.deepEqual(
        [found?.status, found?.detail],
        [status, `${(size / 1024 ** 3).toFixed(1)} GiB free in ${place}`],
      )
      assert.match(found?.mend ?? '', /^Free some, or set DATA_DIR to a larger disk/)
      assert.equal(code, status === 'error' ? 1 : 0)
    }
  })

  test('a port that another has, and a folder that takes nothing', async () => {
    const other = createServer((_request, reply) => reply.writeHead(404).end()).listen(0, '127.0.0.1')
    await new Promise((resolve) => other.once('listening', resolve))
    const { port } = other.address() as AddressInfo
    const file = join(shell.folder, 'file')
    await writeFile(file, '')
    try {
      const { code, of } = await findings({ PORT: String(port), DATA_DIR: join(file, 'below') })
      assert.equal(code, 1)
      assert.match(of('port')[0]?.detail ?? '', new RegExp(`PORT ${port} is taken`))
      assert.match(of('port')[0]?.mend ?? '', /Stop that one, or set PORT/)
      assert.equal([...of('disk'), ...of('fsync')].find(({ status }) => status === 'error')?.status, 'error')
    } finally {
      other.close()
    }
  })

  test('engines that do not answer, and a clock that is wrong', async () => {
    const late = new Date(Date.now() - 20 * 60_000).toUTCString()
    const s3 = createServer((_request, reply) => reply.writeHead(403, { date: late }).end()).listen(0, '127.0.0.1')
    await new Promise((resolve) => s3.once('listening', resolve))
    const endpoint = `http://127.0.0.1:${(s3.address() as AddressInfo).port}`
    try {
      const { code, of } = await findings({
        ...{ OBJECTS_DRIVER: 's3', OBJECTS_S3_ENDPOINT: endpoint, OBJECTS_S3_PATH_STYLE: 'true' },
        ...{ QUEUE_DRIVER: 'sqs', QUEUE_SQS_ENDPOINT: 'http://127.0.0.1:9', QUEUE_SQS_REGION: 'us-east-1' },
        ...Object.fromEntries(
          ['', 'LONG_', 'DEAD_'].map((lane) => [`QUEUE_SQS_${lane}URL`, `http://127.0.0.1:9/1/${lane}q`]),
        ),
        ...{ AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret-of-it' },
      })
      assert.equal(code, 1)
      assert.match(of('settings')[0]?.detail ?? '', /AUTH_UPLOAD_KEY_FILE is not set/)
      assert.match(of('objects')[0]?.detail ?? '', /s3:ListBucket/)
      assert.match(of('objects')[0]?.mend ?? '', /OBJECTS_S3_ENDPOINT.*media setup/)
      assert.equal(of('queue')[0]?.status, 'error')
      assert.match(of('clock')[0]?.detail ?? '', /^1[12]\d\d s ahead of S3/)
      assert.match(of('clock')[0]?.mend ?? '', /NTP/)
    } finally {
      s3.close()
    }
  })
})
