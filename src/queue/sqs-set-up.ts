import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  SetQueueAttributesCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs'
import { lanes } from '../media/jobs.ts'
import { callSqs, makeSqsClient, type SqsAddress } from './sqs-client.ts'

/** Seconds: six times Lambda's longest, as AWS asks of a queue that wakes it. Our own receivers give theirs with each request. */
const visibility = 6 * 900
/** A wake-up is also given back while the metadata cannot be reached: that must not bury it soon. */
const mostDeliveries = 50
const fortnight = 14 * 86_400

/** Of all three queues. */
export const commonAttributes = {
  ReceiveMessageWaitTimeSeconds: '20',
  MessageRetentionPeriod: String(fortnight),
}

/** Of the two lanes. */
export function laneAttributes(deadLetterTargetArn: string) {
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn, maxReceiveCount: mostDeliveries })
  return { ...commonAttributes, VisibilityTimeout: String(visibility), RedrivePolicy }
}

/** Makes the three queues, or sets what is different about them. Resolves with a line on each. */
export async function setUpSqs(address: SqsAddress): Promise<string[]> {
  const client = makeSqsClient(address)
  try {
    const lines = await setUpQueue(client, address.deadUrl, commonAttributes)
    const wanted = laneAttributes(await arnOf(client, address.deadUrl))
    for (const lane of lanes) lines.push(...(await setUpQueue(client, address.urls[lane], wanted)))
    return lines
  } finally {
    client.destroy()
  }
}

async function setUpQueue(client: SQSClient, url: string, wanted: Record<string, string>): Promise<string[]> {
  const QueueName = nameIn(url)
  const found = await findQueue(client, QueueName)
  const about = `queue: ${QueueName}`
  const line = found === null ? await create(client, url, wanted) : await adjust(client, url, wanted)
  return [`${about} ${line}`, `${about} ${await encrypt(client, url)}`]
}

async function create(client: SQSClient, url: string, Attributes: Record<string, string>): Promise<string> {
  const request = new CreateQueueCommand({ QueueName: nameIn(url), Attributes })
  const { QueueUrl = '' } = await callSqs('creating a queue', (abortSignal) => client.send(request, { abortSignal }))
  if (new URL(QueueUrl).pathname === new URL(url).pathname) return 'made'
  throw new Error(`SQS made ${QueueUrl}, but the settings say ${url}: is it another account? Set what SQS made.`)
}

async function adjust(client: SQSClient, QueueUrl: string, wanted: Record<string, string>): Promise<string> {
  const has = await attributesOf(client, QueueUrl)
  const differing = Object.entries(wanted).filter(([name, value]) => !isSame(has[name], value))
  if (differing.length === 0) return 'is as it should be'
  const request = new SetQueueAttributesCommand({ QueueUrl, Attributes: Object.fromEntries(differing) })
  await callSqs('setting a queue', (abortSignal) => client.send(request, { abortSignal }))
  const now = await attributesOf(client, QueueUrl)
  const set = differing.flatMap(([name, value]) => (isSame(now[name], value) ? [name] : []))
  return set.length > 0 ? `set: ${set.join(', ')}` : 'is as it should be, as far as this server can be asked'
}

/** A policy is JSON, whose numbers some servers give back as texts and whose fields in another order. */
function isSame(has: string | undefined, wanted: string): boolean {
  if (has === wanted || !has?.startsWith('{')) return has === wanted
  const one = JSON.parse(has) as Record<string, unknown>
  const other = JSON.parse(wanted) as Record<string, unknown>
  return Object.keys(other).every((name) => String(one[name]) === String(other[name]))
}

/** At rest, with SQS' own keys. Not every server has it. */
async function encrypt(client: SQSClient, QueueUrl: string): Promise<string> {
  const { SqsManagedSseEnabled, KmsMasterKeyId } = await attributesOf(client, QueueUrl)
  if (SqsManagedSseEnabled === 'true' || KmsMasterKeyId) return 'is encrypted at rest'
  const request = new SetQueueAttributesCommand({ QueueUrl, Attributes: { SqsManagedSseEnabled: 'true' } })
  try {
    await callSqs('encrypting', (abortSignal) => client.send(request, { abortSignal }))
  } catch (error) {
    const { name } = ((error as Error).cause ?? {}) as { name?: string }
    if (name !== undefined && /InvalidAttribute|UnsupportedOperation/.test(name)) return noEncryption
    throw error
  }
  return (await attributesOf(client, QueueUrl)).SqsManagedSseEnabled === 'true' ? 'is encrypted at rest' : noEncryption
}

const noEncryption = 'is not encrypted at rest: this server cannot'

async function findQueue(client: SQSClient, QueueName: string): Promise<string | null> {
  try {
    const request = new GetQueueUrlCommand({ QueueName })
    return (await callSqs('looking', (abortSignal) => client.send(request, { abortSignal }))).QueueUrl ?? null
  } catch (error) {
    const { name = '' } = ((error as Error).cause ?? {}) as { name?: string }
    if (/QueueDoesNotExist|NonExistentQueue/.test(name)) return null
    throw error
  }
}

async function attributesOf(client: SQSClient, QueueUrl: string): Promise<Record<string, string>> {
  const request = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] })
  return (await callSqs('looking', (abortSignal) => client.send(request, { abortSignal }))).Attributes ?? {}
}

async function arnOf(client: SQSClient, url: string): Promise<string> {
  const arn = (await attributesOf(client, url)).QueueArn
  if (arn === undefined) throw new Error(`SQS gives no ARN of ${url}`)
  return arn
}

/** The last part of `https://sqs.eu-central-1.amazonaws.com/123456789012/media-tasks`. */
function nameIn(url: string): string {
  return new URL(url).pathname.split('/').at(-1) ?? ''
}
