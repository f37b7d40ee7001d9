import {
  CreateTableCommand,
  type CreateTableCommandInput,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  type DynamoDBClient,
  type GlobalSecondaryIndex,
  ResourceInUseException,
  ResourceNotFoundException,
  type TableDescription,
  UpdateContinuousBackupsCommand,
  UpdateTableCommand,
  UpdateTimeToLiveCommand,
} from '@aws-sdk/client-dynamodb'
import type { Clock } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import { indexes } from './dynamodb-items.ts'
import { openClient } from './dynamodb-table.ts'
import type { MetadataSettings } from './settings.ts'

/** The table as `setup` makes it; whoever makes it by other means makes it so. */
export function tableDefinition(TableName: string): CreateTableCommandInput {
  return {
    TableName,
    BillingMode: 'PAY_PER_REQUEST',
    DeletionProtectionEnabled: true,
    KeySchema: keys('PK', 'SK'),
    AttributeDefinitions: [
      ...['PK', 'SK', 'user', 'listed', 'state_shard'].map((AttributeName) => ({
        AttributeName,
        AttributeType: 'S' as const,
      })),
      ...['due', 'log_shard', 'log_since'].map((AttributeName) => ({ AttributeName, AttributeType: 'N' as const })),
    ],
    GlobalSecondaryIndexes: [
      {
        IndexName: indexes.user,
        KeySchema: keys('user', 'listed'),
        Projection: {
          ProjectionType: 'INCLUDE',
          NonKeyAttributes: ['doc', 'status', 'media_type', 'title_folded', 'expires_at'],
        },
      },
      { IndexName: indexes.state, KeySchema: keys('state_shard', 'due'), Projection: { ProjectionType: 'ALL' } },
      {
        IndexName: indexes.unlogged,
        KeySchema: keys('log_shard', 'log_since'),
        Projection: { ProjectionType: 'KEYS_ONLY' },
      },
    ],
  }
}

function keys(hash: string, range: string) {
  return [
    { AttributeName: hash, KeyType: 'HASH' as const },
    { AttributeName: range, KeyType: 'RANGE' as const },
  ]
}

/** Makes the table, or what it lacks; a table that is there keeps its settings. @returns what was done, a line each */
export async function setUpDynamodb(settings: MetadataSettings, { clock }: { clock: Clock }): Promise<string[]> {
  const client = openClient(settings, 5)
  const TableName = settings.dynamodbTable
  try {
    const lines = [await makeTable(client, TableName)]
    await untilActive(client, TableName, clock)
    for (const index of tableDefinition(TableName).GlobalSecondaryIndexes ?? []) {
      lines.push(...(await makeIndex(client, TableName, index, clock)))
    }
    lines.push(await switchOnExpiry(client, TableName), await switchOnBackups(client, TableName, clock))
    return lines.map((line) => `DynamoDB table ${TableName}: ${line}`)
  } catch (cause) {
    if (cause instanceof MediaError) throw cause
    const { name, message } = cause as Error
    throw new MediaError('unavailable', `cannot set up the DynamoDB table ${TableName}: ${name}: ${message}`, { cause })
  } finally {
    client.destroy()
  }
}

async function makeTable(client: DynamoDBClient, TableName: string): Promise<string> {
  if (await describe(client, TableName)) return 'is there'
  try {
    await client.send(new CreateTableCommand(tableDefinition(TableName)))
    return 'created, billed on demand, protected against deletion'
  } catch (error) {
    // Another set-up was faster.
    if (error instanceof ResourceInUseException) return 'is there'
    throw error
  }
}

async function describe(client: DynamoDBClient, TableName: string): Promise<TableDescription | null> {
  try {
    return (await client.send(new DescribeTableCommand({ TableName }))).Table ?? null
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return null
    throw error
  }
}

/** An index over a full table takes its time. */
const activeTries = 1_200

async function untilActive(client: DynamoDBClient, TableName: string, clock: Clock): Promise<TableDescription> {
  for (let tries = 0; tries < activeTries; tries++) {
    const table = await describe(client, TableName)
    const building = table?.GlobalSecondaryIndexes?.some(({ IndexStatus }) => IndexStatus !== 'ACTIVE')
    if (table?.TableStatus === 'ACTIVE' && !building) return table
    await clock.sleep(tries < 20 ? 100 : 1_000)
  }
  throw new MediaError('unavailable', `the DynamoDB table ${TableName} is still not active; run the set-up again`)
}

async function makeIndex(client: DynamoDBClient, TableName: string, index: GlobalSecondaryIndex, clock: Clock) {
  const { GlobalSecondaryIndexes = [] } = await untilActive(client, TableName, clock)
  if (GlobalSecondaryIndexes.some(({ IndexName }) => IndexName === index.IndexName)) return []
  const names = index.KeySchema?.map(({ AttributeName }) => AttributeName) ?? []
  const { AttributeDefinitions = [] } = tableDefinition(TableName)
  await client.send(
    new UpdateTableCommand({
      TableName,
      AttributeDefinitions: AttributeDefinitions.filter(({ AttributeName }) => names.includes(AttributeName)),
      GlobalSecondaryIndexUpdates: [{ Create: index as Required<GlobalSecondaryIndex> }],
    }),
  )
  await untilActive(client, TableName, clock)
  return [`index ${index.IndexName} created`]
}

async function switchOnExpiry(client: DynamoDBClient, TableName: string): Promise<string> {
  const { TimeToLiveDescription } = await client.send(new DescribeTimeToLiveCommand({ TableName }))
  const status = TimeToLiveDescription?.TimeToLiveStatus
  if (status === 'ENABLED' || status === 'ENABLING') return 'items expire by expires_at'
  const TimeToLiveSpecification = { AttributeName: 'expires_at', Enabled: true }
  await client.send(new UpdateTimeToLiveCommand({ TableName, TimeToLiveSpecification }))
  return 'items now expire by expires_at'
}

/** A table that has just been made may take backups only a little later. */
const backupTries = 60

async function switchOnBackups(client: DynamoDBClient, TableName: string, clock: Clock): Promise<string> {
  const PointInTimeRecoverySpecification = { PointInTimeRecoveryEnabled: true }
  for (let tries = 1; ; tries++) {
    try {
      await client.send(new UpdateContinuousBackupsCommand({ TableName, PointInTimeRecoverySpecification }))
      return 'point-in-time recovery is on'
    } catch (error) {
      const { name } = error as Error
      if (name === 'UnknownOperationException') return 'no point-in-time recovery: this server does not know it'
      if (name !== 'ContinuousBackupsUnavailableException' || tries === backupTries) throw error
      await clock.sleep(1_000)
    }
  }
}
