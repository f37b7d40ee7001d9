import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSettings } from '../media/setting.ts'
import { metadataSettings } from './settings.ts'

test('metadata: settings of the table have their shape, and a wrong one is named', () => {
  const parse = (env: Record<string, string>) => parseSettings(metadataSettings, env)
  assert.equal(parse({}).dynamodbTable, 'media-service')
  const given = { METADATA_DYNAMODB_TABLE: 'a.b-c_D', METADATA_DYNAMODB_ENDPOINT: 'http://127.0.0.1:8000' }
  const { dynamodbTable, dynamodbEndpoint, dynamodbRegion } = parse(given)
  assert.deepEqual([dynamodbTable, dynamodbEndpoint, dynamodbRegion], ['a.b-c_D', 'http://127.0.0.1:8000', undefined])
  for (const [name, value] of [
    ['METADATA_DRIVER', 'dynamo'],
    ['METADATA_DYNAMODB_TABLE', 'ab'],
    ['METADATA_DYNAMODB_TABLE', 'a/b/c'],
    ['METADATA_DYNAMODB_ENDPOINT', '127.0.0.1:8000'],
    ['METADATA_DYNAMODB_ENDPOINT', 'ftp://127.0.0.1'],
  ] as const) {
    assert.throws(() => parse({ [name]: value }), new RegExp(`${name} takes .*"${value}"`))
  }
})
