import { oneOf, optionalText, type SettingsOf } from '../media/setting.ts'

export const queueSettings = {
  driver: oneOf('QUEUE_DRIVER', ['embedded', 'sqs'], {
    default: 'embedded',
    summary:
      'What carries wake-ups to workers: `embedded` is a table in `DATA_DIR`, for workers in the same process; `sqs` is three queues of SQS, for workers anywhere.',
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
