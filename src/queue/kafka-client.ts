import { readFile } from 'node:fs/promises'
import { AuthenticationError, type BaseOptions } from '@platformatic/kafka'
import { MediaError } from '../media/errors.ts'
import type { Lane } from '../media/jobs.ts'
import type { QueueSettings } from './settings.ts'

/** Where the brokers are, who we are there, and what our topics are called. */
export interface KafkaAddress {
  client: BaseOptions
  topics: Record<Lane | 'events' | 'dead-letters', string>
  /** Consumer group of a lane. */
  groupOf(lane: Lane): string
  /** Partitions of a topic that `setup` makes. */
  partitions: number
  /** Replicas of each; null: as the brokers are set. */
  replicas: number | null
}

const requestMs = 5_000

/** @throws Error naming the settings that are missing or do not go together */
export async function kafkaAddressOf(settings: QueueSettings): Promise<KafkaAddress> {
  const { kafkaBrokers, kafkaTopicPrefix: prefix, kafkaGroup, kafkaPartitions, kafkaReplicas } = settings
  if (kafkaBrokers.length === 0) {
    throw new Error('QUEUE_DRIVER=kafka needs QUEUE_KAFKA_BROKERS: the addresses of one or more brokers, `host:port`.')
  }
  const tls = await tlsOf(settings)
  const sasl = await saslOf(settings)
  return {
    client: {
      clientId: 'media-service',
      bootstrapBrokers: [...kafkaBrokers],
      timeout: requestMs,
      connectTimeout: requestMs,
      requestTimeout: 6 * requestMs,
      retries: 2,
      retryDelay: 250,
      ...(tls && { tls }),
      ...(sasl && { sasl }),
    },
    topics: {
      tasks: `${prefix}tasks`,
      'tasks-long': `${prefix}tasks-long`,
      events: `${prefix}events`,
      'dead-letters': `${prefix}dead-letters`,
    },
    groupOf: (lane) => `${kafkaGroup}.${lane}`,
    partitions: kafkaPartitions,
    replicas: kafkaReplicas ?? null,
  }
}

async function tlsOf({ kafkaTls, kafkaCaFile, kafkaSasl }: QueueSettings): Promise<BaseOptions['tls']> {
  // MSK takes IAM over TLS only.
  if (!kafkaTls && kafkaCaFile === undefined && kafkaSasl !== 'msk-iam') return undefined
  if (kafkaCaFile === undefined) return {}
  return { ca: [await readText('QUEUE_KAFKA_CA_FILE', kafkaCaFile)] }
}

async function saslOf(settings: QueueSettings): Promise<BaseOptions['sasl']> {
  const { kafkaSasl, kafkaUsername, kafkaPasswordFile, kafkaRegion } = settings
  if (kafkaSasl === 'none') return undefined
  if (kafkaSasl === 'msk-iam') {
    const region = kafkaRegion ?? process.env.AWS_REGION
    if (!region) throw new Error('QUEUE_KAFKA_SASL=msk-iam needs QUEUE_KAFKA_REGION, or AWS_REGION.')
    const { generateAuthToken } = await import('aws-msk-iam-sasl-signer-js')
    return { mechanism: 'OAUTHBEARER', token: async () => (await generateAuthToken({ region })).token }
  }
  if (kafkaUsername === undefined || kafkaPasswordFile === undefined) {
    throw new Error(`QUEUE_KAFKA_SASL=${kafkaSasl} needs QUEUE_KAFKA_USERNAME and QUEUE_KAFKA_PASSWORD_FILE.`)
  }
  const mechanism = { plain: 'PLAIN', 'scram-sha-256': 'SCRAM-SHA-256', 'scram-sha-512': 'SCRAM-SHA-512' } as const
  const password = (await readText('QUEUE_KAFKA_PASSWORD_FILE', kafkaPasswordFile)).trimEnd()
  return { mechanism: mechanism[kafkaSasl], username: kafkaUsername, password }
}

async function readText(variable: string, path: string): Promise<string> {
  return await readFile(path, 'utf8').catch((cause) => {
    throw new Error(`${variable} is ${path}, which cannot be read (${cause.code}).`, { cause })
  })
}

/** Whether the brokers do not take who we say we are: that does not pass by itself. */
export function isRefused(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error instanceof AuthenticationError || isRefused(error.cause)) return true
  return error instanceof AggregateError && error.errors.some(isRefused)
}

export const refused =
  'Kafka does not take this user: check QUEUE_KAFKA_SASL, QUEUE_KAFKA_USERNAME and QUEUE_KAFKA_PASSWORD_FILE.'

/** What the library throws, as ours. */
export async function callKafka<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof MediaError) throw cause
    const why = isRefused(cause) ? refused : messageOf(cause)
    throw new MediaError('unavailable', `Kafka failed while ${doing}: ${why}`, { cause })
  }
}

/** Topics are never made in passing: with the cluster's defaults nobody would find out. */
function messageOf(cause: unknown): string {
  const text = cause instanceof AggregateError ? cause.errors.map((one) => String(one?.message ?? one)).join('; ') : ''
  const said = `${(cause as Error)?.message ?? cause}${text && `: ${text}`}`
  return /UNKNOWN_TOPIC|unknown topic/i.test(said) ? `${said} (\`npm start -- setup\` makes the topics)` : said
}
