import { Duration } from 'aws-cdk-lib'
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch'
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions'
import { Operation } from 'aws-cdk-lib/aws-dynamodb'
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import * as sns from 'aws-cdk-lib/aws-sns'
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions'
import { Construct } from 'constructs'
import type { Api } from './api.ts'
import type { Metadata } from './metadata.ts'
import type { Queues } from './queue.ts'
import type { WorkFunction } from './worker.ts'

export interface Watched {
  api: Api
  metadata: Metadata
  /** Without SQS its alarms are the cluster's owner's. */
  queues: Queues | undefined
  work: WorkFunction | undefined
  email: string | undefined
}

const minute = { period: Duration.minutes(1) }
const five = { period: Duration.minutes(5) }

/** What somebody should look at: each alarm says what it means. */
export class Alarms extends Construct {
  readonly topic: sns.Topic

  constructor(scope: Construct, id: string, { api, metadata, queues, work, email }: Watched) {
    super(scope, id)
    this.topic = new sns.Topic(this, 'Topic', { displayName: 'Media Service', enforceSSL: true })
    if (email !== undefined) this.topic.addSubscription(new EmailSubscription(email))
    this.#watchApi(api)
    this.#watchTable(metadata)
    if (queues) this.#watchQueues(queues)
    if (work) this.#watchFunction(work)
  }

  #watchQueues({ tasks, long, dead }: Queues): void {
    const age = { statistic: 'Maximum', ...minute }
    const waiting = 'Wake-ups wait: workers are too few, or do not start.'
    this.#alarm('DeadLetters', dead.metricApproximateNumberOfMessagesVisible({ statistic: 'Maximum', ...minute }), {
      above: 0,
      times: 1,
      words: 'What is no wake-up, or was delivered 50 times, lies in the dead letters.',
    })
    this.#alarm('TasksAge', tasks.metricApproximateAgeOfOldestMessage(age), { above: 900, times: 3, words: waiting })
    this.#alarm('TasksLongAge', long.metricApproximateAgeOfOldestMessage(age), {
      above: 7200,
      times: 3,
      words: waiting,
    })
  }

  #watchApi({ targets, balancer }: Api): void {
    const sum = { statistic: 'Sum', ...minute }
    this.#alarm('Api5xx', targets.metrics.httpCodeTarget(elb.HttpCodeTarget.TARGET_5XX_COUNT, sum), {
      above: 5,
      times: 3,
      words: 'The API fails: its logs say at what, /readyz which engine does not answer.',
    })
    this.#alarm('Balancer5xx', balancer.metrics.httpCodeElb(elb.HttpCodeElb.ELB_5XX_COUNT, sum), {
      above: 5,
      times: 3,
      words: 'The balancer finds no task that answers.',
    })
  }

  #watchTable({ table }: Metadata): void {
    const { GET_ITEM, BATCH_GET_ITEM, QUERY, PUT_ITEM, UPDATE_ITEM, TRANSACT_WRITE_ITEMS } = Operation
    const operations = [GET_ITEM, BATCH_GET_ITEM, QUERY, PUT_ITEM, UPDATE_ITEM, TRANSACT_WRITE_ITEMS]
    this.#alarm('TableThrottles', table.metricThrottledRequestsForOperations({ operations, ...five }), {
      above: 0,
      times: 3,
      words: 'DynamoDB throttles: requests are asked again and become slow.',
    })
  }

  #watchFunction({ function: worker }: WorkFunction): void {
    const sum = { statistic: 'Sum', ...five }
    this.#alarm('FunctionThrottles', worker.metricThrottles(sum), {
      above: 0,
      times: 3,
      words: 'The worker function is turned away: the concurrency of the account is used up.',
    })
    this.#alarm('FunctionErrors', worker.metricErrors(sum), {
      above: 0,
      times: 3,
      words: 'The worker function dies: out of memory, out of time, or wrong settings. Its logs say which.',
    })
  }

  #alarm(id: string, metric: cloudwatch.IMetric, how: { above: number; times: number; words: string }): void {
    const alarm = new cloudwatch.Alarm(this, id, {
      metric,
      alarmDescription: how.words,
      threshold: how.above,
      evaluationPeriods: how.times,
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
      treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
    })
    alarm.addAlarmAction(new SnsAction(this.topic))
  }
}
