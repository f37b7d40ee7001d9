import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import { readConfig } from '../../config.ts'
import { systemClock } from '../../media/clock.ts'
import { examineClock } from './clock.ts'

const at = (ms: number) => ({ ...systemClock, now: () => ms })
const noon = Date.UTC(2030, 0, 1, 12)

describe("the doctor's look at the clock", () => {
  test('one without a battery is found without an engine to ask', async () => {
    const { status, detail, mend } = await examineClock(readConfig({}), at(60_000))
    assert.deepEqual([status, detail.startsWith('it is 1970-01-01')], ['error', true])
    assert.match(mend ?? '', /NTP/)
    assert.equal((await examineClock(readConfig({}), systemClock)).status, 'ok')
  })

  test('it is compared with whatever engine tells the time', async () => {
    let date: string | null = new Date(noon).toUTCString()
    const server = createServer((_request, reply) => {
      reply.sendDate = false
      if (date !== null) reply.setHeader('date', date)
      reply.writeHead(400).end()
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    try {
      const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      const config = readConfig({ METADATA_DRIVER: 'dynamodb', METADATA_DYNAMODB_ENDPOINT: endpoint })
      const found = async (ms: number) => {
        const { status, detail } = await examineClock(config, at(ms))
        return [status, detail]
      }
      assert.deepEqual(await found(noon), ['ok', 'as that of DynamoDB'])
      assert.deepEqual(await found(noon + 5_000), ['ok', '5 s ahead of DynamoDB'])
      assert.deepEqual(await found(noon - 90_000), ['warning', '90 s behind DynamoDB'])
      const refused = '1000 s behind DynamoDB: it refuses what is signed here.'
      assert.deepEqual(await found(noon - 1_000_000), ['error', refused])
      date = null
      assert.deepEqual(await found(noon), ['warning', 'DynamoDB did not say what time it is.'])
    } finally {
      server.close()
    }
  })
})
