import { flag, integer, list, oneOf, optionalText, type SettingsOf, text } from '../media/setting.ts'

export const queueSettings = {
  driver: oneOf('QUEUE_DRIVER', ['embedded', 'kafka', 'sqs'], {
    default: 'embedded',
    summary:
      'What carries wake-ups to workers: `embedded` is a table in `DATA_DIR`, for workers in the same process; `kafka` is four topics of Kafka, `sqs` three queues of SQS, both for workers anywhere.',
  }),
  kafkaBrokers: list('QUEUE_KAFKA_BROKERS', {
    default: '',
    takes: 'addresses, `host:port`, separated by commas',
    summary: 'Brokers to begin with, for `kafka`; one that answers is enough.',
  }),
  kafkaTopicPrefix: text('QUEUE_KAFKA_TOPIC_PREFIX', {
    default: 'media.',
    summary:
      'What the names of the topics begin with: `media.tasks`, `media.tasks-long`, `media.events`, `media.dead-letters`.',
  }),
  kafkaGroup: text('QUEUE_KAFKA_GROUP', {
    default: 'media-service',
    summary: 'What the names of the consumer groups begin with, one a lane: `media-service.tasks`.',
  }),
  kafkaSasl: oneOf('QUEUE_KAFKA_SASL', ['none', 'plain', 'scram-sha-256', 'scram-sha-512', 'msk-iam'], {
    default: 'none',
    summary: 'How this process says who it is: by a password, or on Amazon MSK by the AWS credentials it has.',
  }),
  kafkaUsername: optionalText('QUEUE_KAFKA_USERNAME', { summary: 'User, for `plain` and `scram-…`.' }),
  kafkaPasswordFile: optionalText('QUEUE_KAFKA_PASSWORD_FILE', {
    takes: 'a file',
    summary: 'File with the user’s password and nothing else.',
  }),
  kafkaTls: flag('QUEUE_KAFKA_TLS', {
    default: 'false',
    summary: 'Whether the brokers are spoken to by TLS; with `msk-iam` and `QUEUE_KAFKA_CA_FILE` they are in any case.',
  }),
  kafkaCaFile: optionalText('QUEUE_KAFKA_CA_FILE', {
    takes: 'a PEM file',
    summary: 'Who has signed the brokers’ certificates, where no public authority has.',
  }),
  kafkaRegion: optionalText('QUEUE_KAFKA_REGION', {
    takes: 'a region, such as `eu-central-1`',
    shownDefault: '`AWS_REGION`',
    summary: 'Region of the brokers, for `msk-iam`.',
  }),
  kafkaPartitions: integer('QUEUE_KAFKA_PARTITIONS', {
    min: 1,
    max: 1_000,
    default: '12',
    summary: 'Partitions of each topic that `setup` makes: as many workers can share a lane.',
  }),
  kafkaReplicas: optionalInteger('QUEUE_KAFKA_REPLICAS', {
    min: 1,
    max: 9,
    shownDefault: 'as the brokers are set',
    summary: 'Replicas of each topic that `setup` makes; 3 outlive the loss of a broker.',
  }),
  sqsUrl: queueUrl('QUEUE_SQS_URL', 'Queue of usual jobs, for `sqs`.'),
  sqsLongUrl: queueUrl('QUEUE_SQS_LONG_URL', 'Queue of long jobs, for `sqs`.'),
  sqsDeadUrl: queueUrl('QUEUE_SQS_DEAD_URL', 'Queue of what is no wake-up or was delivered too often, for `sqs`.'),
  sqsEndpoint: address('QUEUE_SQS_ENDPOINT', {
    takes: 'an address, such as `https://sqs.example.com`',
    summary: 'Where the service reaches SQS; Amazon’s of the region when not given.',
  }),
  sqsRegion: optionalText('QUEUE_SQS_REGION', {
    takes: 'a region, such as `eu-central-1`',
    summary:
      'Region of the queues; as their addresses, `AWS_REGION` or the profile say when not given, and `us-east-1` with an endpoint.',
  }),
}

export type QueueSettings = SettingsOf<typeof queueSettings>

function queueUrl(variable: string, summary: string) {
  const takes = 'a queue’s address, such as `https://sqs.eu-central-1.amazonaws.com/123456789012/media-tasks`'
  return address(variable, { takes, summary })
}

function address(variable: string, words: { takes: string; summary: string }) {
  const setting = optionalText(variable, words)
  return {
    ...setting,
    parse: (value: string) => {
      if (!/^https?:$/.test(new URL(value).protocol)) throw new Error('not an address')
      return value.replace(/\/$/, '')
    },
  }
}

function optionalInteger(variable: string, words: { min: number; max: number; summary: string; shownDefault: string }) {
  const { parse, takes } = integer(variable, { ...words, default: String(words.min) })
  return { ...optionalText(variable, { ...words, takes }), parse: (value: string): number | undefined => parse(value) }
}
