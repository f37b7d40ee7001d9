import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { openShell, type Shell, valuesOf } from '../../acceptance/cli/media.ts'
import { startCeph } from '../ceph.ts'
import { startDynamodb } from '../dynamodb.ts'
import { type Engine, engineFor } from '../engine.ts'
import { startKafka } from '../kafka.ts'

/** `media doctor` on engines that are there: before they are set up, and after. */
describe('media doctor on real engines', () => {
  let engines: Engine[]
  let shell: Shell
  let env: Record<string, string>
  before(async () => {
    engines = [
      await engineFor('dynamodb', startDynamodb),
      await engineFor('kafka', startKafka),
      await engineFor('ceph', startCeph),
    ]
    shell = await openShell('')
    const own = randomUUID().slice(0, 8)
    env = {
      ...Object.assign({}, ...engines.map((engine) => engine.env)),
      ...{ OBJECTS_DRIVER: 's3', METADATA_DRIVER: 'dynamodb', QUEUE_DRIVER: 'kafka', PORT: '0' },
      QUEUE_KAFKA_TOPIC_PREFIX: `doctor-${own}.`,
      METADATA_DYNAMODB_TABLE: `doctor-${own}`,
      OBJECTS_TEMP_BUCKET: `temp-${own}`,
      OBJECTS_PROCESSED_BUCKET: `processed-${own}`,
      AUTH_UPLOAD_KEY_FILE: join(shell.folder, 'upload-tokens.key'),
      CDN_PRIVATE_KEY_FILE: join(shell.folder, 'cdn-private.pem'),
    }
    const run = promisify(execFile)
    await run('openssl', ['rand', '-out', 'upload-tokens.key', '32'], { cwd: shell.folder })
    const curve = ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256']
    await run('openssl', ['genpkey', ...curve, '-out', 'cdn-private.pem'], { cwd: shell.folder })
  })
  after(async () => {
    await shell.remove()
    for (const engine of engines) await engine.stop()
  })

  async function examined() {
    const said = await shell.start(['doctor', '--json'], env).ended
    const found = valuesOf(said)
    return { code: said.code, of: (check: string) => found.find((one) => one['check'] === check) ?? {}, found }
  }

  test('what is not set up yet is named, with the command that does it', async () => {
    const { code, of } = await examined()
    assert.equal(code, 1)
    assert.equal(of('objects')['status'], 'error')
    assert.match(of('objects')['detail'], /temp-/)
    assert.equal(of('metadata')['status'], 'error')
    for (const check of ['objects', 'metadata']) assert.match(of(check)['mend'], /`media setup` makes what is missing/)
  })

  test('once it is, all is well', async () => {
    const setUp = await shell.start(['setup'], env).ended
    assert.equal(setUp.code, 0, setUp.err)
    const { code, of, found } = await examined()
    const wrong = found.filter(({ status }) => status === 'error')
    assert.deepEqual(wrong, [])
    assert.equal(code, 0)
    for (const check of ['objects', 'metadata', 'queue', 'clock']) assert.equal(of(check)['status'], 'ok', check)
  })

  test('a secret that is wrong is refused, and not shown', async () => {
    const said = await shell.start(['doctor', '--json'], { ...env, AWS_SECRET_ACCESS_KEY: 'not-the-secret' }).ended
    assert.equal(said.code, 1)
    assert.equal(valuesOf(said).find(({ check }) => check === 'objects')?.['status'], 'error')
    assert.doesNotMatch(said.out + said.err, /not-the-secret/)
  })
})
