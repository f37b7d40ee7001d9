import {
  type CancellationReason,
  DynamoDBClient,
  type DynamoDBClientConfig,
  TransactionCanceledException,
} from '@aws-sdk/client-dynamodb'
import {
  BatchGetCommand,
  DynamoDBDocumentClient,
  GetCommand,
  type GetCommandInput,
  QueryCommand,
  type QueryCommandInput,
  type QueryCommandOutput,
  TransactWriteCommand,
  type TransactWriteCommandInput,
  UpdateCommand,
  type UpdateCommandInput,
  type UpdateCommandOutput,
} from '@aws-sdk/lib-dynamodb'
import type { Chance, Clock } from '../media/clock.ts'
import { MediaError } from '../media/errors.ts'
import { type Log, silentLog } from '../media/log.ts'
import { openGate } from './dynamodb-gate.ts'
import type { MetadataSettings } from './settings.ts'

/** An item as the SDK gives it. */
export type Item = Record<string, any>
export type Key = { PK: string; SK: string }
type TransactItem = NonNullable<TransactWriteCommandInput['TransactItems']>[number]
/** One write of a transaction; the table's name is put in where it is sent. */
export type Write =
  | { Put: Omit<NonNullable<TransactItem['Put']>, 'TableName'> }
  | { Update: Omit<NonNullable<TransactItem['Update']>, 'TableName'> }
  | { ConditionCheck: Omit<NonNullable<TransactItem['ConditionCheck']>, 'TableName'> }

/** The requests of the driver to its one table, each with a time limit and tried again while that can help. */
export interface Table {
  /** A strongly consistent read. */
  get(key: Key, options?: Omit<GetCommandInput, 'TableName' | 'Key'>): Promise<Item | null>
  /** Strongly consistent too; what is not there is left out. */
  getAll(keys: readonly Key[]): Promise<Item[]>
  query(input: Omit<QueryCommandInput, 'TableName'>): Promise<QueryCommandOutput>
  update(input: Omit<UpdateCommandInput, 'TableName'>): Promise<UpdateCommandOutput>
  /**
   * All writes or none. Asked again under the same `token` while the answer is lost, so that it happens once.
   * @returns null when done, or why each write was refused
   */
  transact(writes: readonly Write[], token: string): Promise<CancellationReason[] | null>
  close(): void
}

export interface TableGiven {
  clock: Clock
  chance: Chance
  log?: Log
}

/** A request that gets no answer so long is asked again. Milliseconds. */
const attemptMs = 3_000
/** From the first failure on, a request is tried this long. */
export const patienceMs = 10_000
/** A request that failed so often is worth a line to the operator. */
const toldTries = 3
/** Requests on their way at once; more wait their turn here, where waiting costs no connection. */
const inFlight = 64
const keysPerRead = 100

export function openTable(settings: MetadataSettings, { clock, chance, log = silentLog }: TableGiven): Table {
  const TableName = settings.dynamodbTable
  const client = DynamoDBDocumentClient.from(openClient(settings), { marshallOptions: { removeUndefinedValues: true } })
  const gate = openGate(inFlight)

  /** Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ */
  async function persist<T>(name: string, attempt: (options: { abortSignal: AbortSignal }) => Promise<T>): Promise<T> {
    let deadline: number | null = null
    for (let tries = 0; ; tries++) {
      try {
        return await gate(() => attempt({ abortSignal: AbortSignal.timeout(attemptMs) }))
      } catch (error) {
        if (!isTransient(error)) throw explained(name, TableName, error)
        if (tries === toldTries) log.warn({ operation: name, error }, 'DynamoDB keeps failing; it is asked again')
        deadline ??= clock.now() + patienceMs
        const pause = backoff(tries, chance)
        if (clock.now() + pause > deadline) throw unanswered(name, error)
        await clock.sleep(pause)
      }
    }
  }

  async function getSome(keys: readonly Key[]): Promise<Item[]> {
    const found: Item[] = []
    for (let left = [...keys], tries = 0; left.length > 0; tries++) {
      const RequestItems = { [TableName]: { Keys: left, ConsistentRead: true } }
      const reply = await persist('BatchGetItem', (options) =>
        client.send(new BatchGetCommand({ RequestItems }), options),
      )
      found.push(...(reply.Responses?.[TableName] ?? []))
      left = (reply.UnprocessedKeys?.[TableName]?.Keys ?? []) as Key[]
      // Cut at 16 MB, or throttled.
      if (left.length > 0) await clock.sleep(backoff(tries, chance))
      if (tries > 20) throw unanswered('BatchGetItem', new Error('its keys stay unprocessed'))
    }
    return found
  }

  return {
    get: async (Key, more = {}) => {
      const command = new GetCommand({ TableName, Key, ConsistentRead: true, ...more })
      return (await persist('GetItem', (options) => client.send(command, options))).Item ?? null
    },
    getAll: async (keys) => {
      const parts = Array.from({ length: Math.ceil(keys.length / keysPerRead) }, (_, part) =>
        keys.slice(part * keysPerRead, (part + 1) * keysPerRead),
      )
      return (await Promise.all(parts.map(getSome))).flat()
    },
    query: async (input) =>
      await persist('Query', (options) => client.send(new QueryCommand({ TableName, ...input }), options)),
    update: async (input) =>
      await persist('UpdateItem', (options) => client.send(new UpdateCommand({ TableName, ...input }), options)),
    transact: async (writes, ClientRequestToken) => {
      const TransactItems = writes.map((write) => named(write, TableName))
      const command = new TransactWriteCommand({ TransactItems, ClientRequestToken })
      return await persist('TransactWriteItems', async (options) => {
        try {
          await client.send(command, options)
          return null
        } catch (error) {
          if (error instanceof TransactionCanceledException) return error.CancellationReasons ?? []
          throw error
        }
      })
    },
    close: () => client.destroy(),
  }
}

/** Whether an update's condition held. */
export async function held(update: Promise<unknown>): Promise<boolean> {
  try {
    await update
    return true
  } catch (error) {
    if ((error as Error).name === 'ConditionalCheckFailedException') return false
    throw error
  }
}

/** The SDK itself tries once: `persist` counts the tries, and knows what may be asked again. */
export function openClient(
  { dynamodbEndpoint: endpoint, dynamodbRegion }: MetadataSettings,
  maxAttempts = 1,
): DynamoDBClient {
  const region = dynamodbRegion ?? (endpoint === undefined ? undefined : 'us-east-1')
  const requestHandler = {
    connectionTimeout: 1_000,
    requestTimeout: attemptMs,
    throwOnRequestTimeout: true,
    httpAgent: { maxSockets: inFlight },
    httpsAgent: { maxSockets: inFlight },
  } satisfies DynamoDBClientConfig['requestHandler']
  return new DynamoDBClient({
    maxAttempts,
    requestHandler,
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
  })
}

/** A pause between 0 and 25 ms, 50 ms, 100 ms… at most 2 s. */
export function backoff(tries: number, chance: Chance): number {
  return chance.random() * Math.min(25 * 2 ** tries, 2_000)
}

function named(write: Write, TableName: string): TransactItem {
  return Object.fromEntries(Object.entries(write).map(([kind, input]) => [kind, { TableName, ...input }]))
}

const transientNames = new Set([
  ...['ThrottlingException', 'ProvisionedThroughputExceededException', 'RequestLimitExceeded', 'InternalServerError'],
  ...['TransactionInProgressException', 'TransactionConflictException', 'ReplicatedWriteConflictException'],
  ...['TimeoutError', 'AbortError'],
])

/** Whether asking again can help: throttled, in conflict, their fault, or no whole answer. */
function isTransient(error: unknown): boolean {
  const { name, code, $metadata, $response } = error as Record<string, any>
  if (transientNames.has(name)) return true
  const status = $metadata?.httpStatusCode ?? $response?.statusCode
  if (status !== undefined) return status >= 500 || status < 300 || $metadata?.clockSkewCorrected === true
  return typeof code === 'string' && /^(E[A-Z_]+|UND_ERR_.*)$/.test(code) && !code.startsWith('ERR_')
}

function unanswered(name: string, cause: unknown): MediaError {
  const text = `DynamoDB did not answer ${name} for ${patienceMs / 1_000} s: ${wordsOf(cause)}`
  return new MediaError('unavailable', text, { cause })
}

/** Conditions are their caller's to read; what else is wrong is said to the operator. */
function explained(name: string, table: string, error: unknown): unknown {
  const kind = (error as Error).name
  if (kind === 'ConditionalCheckFailedException' || error instanceof MediaError) return error
  if (kind === 'ResourceNotFoundException') {
    const text = `DynamoDB has no table "${table}", or not all its indexes: run \`npm start -- setup\`, or see METADATA_DYNAMODB_TABLE`
    return new MediaError('unavailable', text, { cause: error })
  }
  if (kind === 'ValidationException' || kind === 'TypeError') {
    return new MediaError('internal', `DynamoDB refused ${name}: ${wordsOf(error)}`, { cause: error })
  }
  const text = `DynamoDB refused ${name}: ${wordsOf(error)}; see the credentials and METADATA_DYNAMODB_REGION`
  return new MediaError('unavailable', text, { cause: error })
}

function wordsOf(error: unknown): string {
  const { name, message } = error as Error
  return message ? `${name}: ${message}` : name
}
