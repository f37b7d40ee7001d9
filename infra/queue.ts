import { Duration } from 'aws-cdk-lib'
import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager'
import * as sqs from 'aws-cdk-lib/aws-sqs'
import { Construct } from 'constructs'
import type { Kafka } from './settings.ts'

/** Wake-ups: three queues of SQS, as `src/queue/sqs-set-up.ts` makes them. */
export class Queues extends Construct {
  readonly tasks: sqs.Queue
  readonly long: sqs.Queue
  readonly dead: sqs.Queue

  constructor(scope: Construct, id: string) {
    super(scope, id)
    this.dead = new sqs.Queue(this, 'DeadLetters', kept)
    const lane = {
      ...kept,
      // Six times the function's longest, as AWS asks of a queue that wakes one.
      visibilityTimeout: Duration.seconds(6 * 900),
      deadLetterQueue: { queue: this.dead, maxReceiveCount: 50 },
    }
    this.tasks = new sqs.Queue(this, 'Tasks', lane)
    this.long = new sqs.Queue(this, 'TasksLong', lane)
  }

  get env(): Record<string, string> {
    return {
      QUEUE_DRIVER: 'sqs',
      QUEUE_SQS_REGION: this.dead.stack.region,
      QUEUE_SQS_URL: this.tasks.queueUrl,
      QUEUE_SQS_LONG_URL: this.long.queueUrl,
      QUEUE_SQS_DEAD_URL: this.dead.queueUrl,
    }
  }
}

const kept = {
  retentionPeriod: Duration.days(14),
  receiveMessageWaitTime: Duration.seconds(20),
  encryption: sqs.QueueEncryption.SQS_MANAGED,
  enforceSSL: true,
} satisfies sqs.QueueProps

/** Wake-ups on a cluster that is there already; `npm start -- setup` makes its topics. */
export class KafkaQueue extends Construct {
  readonly settings: Kafka
  readonly password: secretsmanager.ISecret | undefined

  constructor(scope: Construct, id: string, settings: Kafka) {
    super(scope, id)
    this.settings = settings
    const { passwordSecretArn } = settings
    this.password =
      passwordSecretArn === undefined
        ? undefined
        : secretsmanager.Secret.fromSecretCompleteArn(this, 'Password', passwordSecretArn)
  }

  get env(): Record<string, string> {
    const { brokers, sasl, username } = this.settings
    return {
      QUEUE_DRIVER: 'kafka',
      QUEUE_KAFKA_BROKERS: brokers.join(','),
      QUEUE_KAFKA_SASL: sasl,
      QUEUE_KAFKA_TLS: 'true',
      ...(username !== undefined && { QUEUE_KAFKA_USERNAME: username }),
    }
  }
}
