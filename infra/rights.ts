import { Arn, ArnFormat } from 'aws-cdk-lib'
import * as iam from 'aws-cdk-lib/aws-iam'
import type * as s3 from 'aws-cdk-lib/aws-s3'
import type { Delivery } from './delivery.ts'
import type { Metadata } from './metadata.ts'
import type { Objects } from './objects.ts'
import { KafkaQueue, type Queues } from './queue.ts'

/** What the service's roles may do, and nothing else: the actions that its drivers name. */
export interface Engines {
  objects: Objects
  metadata: Metadata
  queue: Queues | KafkaQueue
  delivery: Delivery
}

/** Takes uploads and signs; of outputs it only looks at what is there. */
export function letServe(role: iam.IGrantable, { objects, metadata, queue }: Engines): void {
  letUse(role, objects.temp, ['Get', 'Put', 'Delete'])
  letUse(role, objects.processed, ['Get'])
  letUseTable(role, metadata)
  if (queue instanceof KafkaQueue) return letUseKafka(role, queue)
  grant(role, ['sqs:SendMessage', 'sqs:GetQueueAttributes'], [queue.tasks.queueArn, queue.long.queueArn])
}

/** Reads and tags raw media, writes outputs, purges both, and has CloudFront forget them. */
export function letWork(role: iam.IGrantable, { objects, metadata, queue, delivery }: Engines): void {
  grant(role, ['cloudfront:CreateInvalidation'], [delivery.distribution.distributionArn])
  letUse(role, objects.temp, ['Get', 'Put', 'Delete'])
  letUse(role, objects.processed, ['Get', 'Put', 'Delete'])
  letUseTable(role, metadata)
  if (queue instanceof KafkaQueue) return letUseKafka(role, queue)
  const receive = ['ReceiveMessage', 'DeleteMessage', 'ChangeMessageVisibility', 'SendMessage', 'GetQueueAttributes']
  grant(
    role,
    receive.map((action) => `sqs:${action}`),
    [queue.tasks.queueArn, queue.long.queueArn],
  )
  grant(role, ['sqs:SendMessage'], [queue.dead.queueArn])
}

const objectActions = {
  Get: ['GetObject'],
  Put: ['PutObject', 'PutObjectTagging', 'AbortMultipartUpload', 'ListMultipartUploadParts'],
  Delete: ['DeleteObject'],
}

function letUse(role: iam.IGrantable, bucket: s3.Bucket, kinds: (keyof typeof objectActions)[]): void {
  const actions = kinds.flatMap((kind) => objectActions[kind]).map((action) => `s3:${action}`)
  grant(role, actions, [bucket.arnForObjects('*')])
  grant(role, ['s3:ListBucket'], [bucket.bucketArn])
}

const itemActions = ['GetItem', 'BatchGetItem', 'Query', 'PutItem', 'UpdateItem', 'ConditionCheckItem', 'DescribeTable']

function letUseTable(role: iam.IGrantable, { table }: Metadata): void {
  const actions = itemActions.map((action) => `dynamodb:${action}`)
  grant(role, actions, [table.tableArn, `${table.tableArn}/index/*`])
}

const topicActions = ['DescribeTopic', 'ReadData', 'WriteData']

/** By a password the brokers' own lists decide. https://docs.aws.amazon.com/msk/latest/developerguide/iam-access-control.html */
function letUseKafka(role: iam.IGrantable, { settings }: KafkaQueue): void {
  if (settings.sasl !== 'msk-iam' || settings.clusterArn === undefined) return
  const { clusterArn } = settings
  const { resourceName = '' } = Arn.split(clusterArn, ArnFormat.SLASH_RESOURCE_NAME)
  const inCluster = (kind: string, name: string) =>
    clusterArn.replace(`:cluster/${resourceName}`, `:${kind}/${resourceName}/${name}`)
  grant(
    role,
    ['Connect', 'DescribeCluster', 'WriteDataIdempotently'].map((action) => `kafka-cluster:${action}`),
    [clusterArn],
  )
  grant(
    role,
    topicActions.map((action) => `kafka-cluster:${action}`),
    [inCluster('topic', 'media.*')],
  )
  grant(role, ['kafka-cluster:DescribeGroup', 'kafka-cluster:AlterGroup'], [inCluster('group', 'media-service*')])
}

function grant(grantee: iam.IGrantable, actions: string[], resourceArns: string[]): void {
  iam.Grant.addToPrincipal({ grantee, actions, resourceArns })
}
