import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { parseSettings } from '../media/setting.ts'
import { openKit } from './kit.test.ts'
import { httpSettings } from './settings.ts'
import { listenStandalone } from './standalone.ts'

/** Milliseconds until it is closed, though somebody has connected and asked for nothing. */
async function timeToClose(address: string, close: () => Promise<unknown>): Promise<number> {
  // An answer proves that what connected before is known to the server.
  const unused = connect(Number(new URL(address).port), '127.0.0.1')
  await once(unused, 'connect')
  await (await fetch(`${address}/healthz`)).text()
  const started = performance.now()
  await Promise.all([close(), once(unused, 'close')])
  return performance.now() - started
}

describe('connections that were made in advance', () => {
  test('do not keep the service open', async () => {
    await using kit = await openKit()
    assert.ok((await timeToClose(await kit.listen(), () => kit.app.close())) < 3_000)
  })

  test('nor a process without an API', async () => {
    const server = await listenStandalone(parseSettings(httpSettings, { PORT: '0' }), (_, reply) => void reply.end())
    assert.ok((await timeToClose(server.address, server.close)) < 3_000)
  })
})
