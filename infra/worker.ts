import { Duration, Size } from 'aws-cdk-lib'
import type * as applicationautoscaling from 'aws-cdk-lib/aws-applicationautoscaling'
import { AdjustmentType } from 'aws-cdk-lib/aws-applicationautoscaling'
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch'
import * as ecs from 'aws-cdk-lib/aws-ecs'
import * as iam from 'aws-cdk-lib/aws-iam'
import * as lambda from 'aws-cdk-lib/aws-lambda'
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources'
import * as logs from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import { functionImage } from './image.ts'
import { KafkaQueue, type Queues } from './queue.ts'
import { type Engines, letWork } from './rights.ts'
import type { Settings } from './settings.ts'
import { logKept, secretName, type TaskPlace, taskOf } from './tasks.ts'

export interface WorkProps {
  engines: Engines
  settings: Settings
  env: Record<string, string>
}

/** Usual jobs, by SQS: a function each, as many as there are at a time up to a limit. */
export class WorkFunction extends Construct {
  readonly function: lambda.DockerImageFunction

  constructor(scope: Construct, id: string, { engines, settings, env, queue }: WorkProps & { queue: Queues }) {
    super(scope, id)
    const { lambdaConcurrency, lambdaMemoryMiB } = settings.workers
    const logGroup = new logs.LogGroup(this, 'Logs', logKept)
    // Lambda's own policy would open the logs of all functions.
    const role = new iam.Role(this, 'Role', { assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com') })
    logGroup.grantWrite(role)
    letWork(role, engines)
    this.function = new lambda.DockerImageFunction(this, 'Function', {
      description: 'Media Service: does usual jobs, and hands what is too long for it to the long lane',
      code: functionImage('src/lambda/sqs.ts'),
      role,
      logGroup,
      timeout: Duration.minutes(15),
      memorySize: lambdaMemoryMiB,
      ephemeralStorageSize: Size.gibibytes(10),
      reservedConcurrentExecutions: lambdaConcurrency,
      // The only folder there that can be written.
      environment: { ...env, DATA_DIR: '/tmp/media-service', SANDBOX: 'weak' },
    })
    this.function.addEventSource(
      new SqsEventSource(queue.tasks, {
        // Jobs of one batch are done one after another: nobody should wait behind another's film.
        batchSize: 1,
        reportBatchItemFailures: true,
        // Without it, what the reserved concurrency turns away counts as delivered.
        maxConcurrency: lambdaConcurrency,
      }),
    )
  }
}

/** Long jobs, and on Kafka all: workers that come with the backlog and leave when nobody works. */
export class WorkTasks extends Construct {
  readonly service: ecs.FargateService

  constructor(scope: Construct, id: string, { engines, settings, env, place }: WorkProps & { place: TaskPlace }) {
    super(scope, id)
    const { minTasks, maxTasks, diskGiB } = settings.workers
    const { queue } = engines
    const definition = taskOf(this, {
      place,
      command: ['worker'],
      cpu: 4096,
      memoryLimitMiB: 16_384,
      diskGiB,
      env: { ...env, WORKER_PORT: '9090', WORKER_CONCURRENCY: '2', WORKER_STOP_SECONDS: '80', SANDBOX: 'weak' },
      secrets:
        queue instanceof KafkaQueue && queue.password
          ? { [secretName('QUEUE_KAFKA_PASSWORD_FILE')]: ecs.Secret.fromSecretsManager(queue.password) }
          : {},
    })
    letWork(definition.taskRole, engines)
    this.service = new ecs.FargateService(this, 'Service', {
      cluster: place.cluster,
      taskDefinition: definition,
      // A killed worker's job waits for its lease; a task that was asked to go hands its jobs back first.
      circuitBreaker: { rollback: true },
      minHealthyPercent: 0,
      securityGroups: [place.workers],
      vpcSubnets: place.subnets,
    })
    const count = this.service.autoScaleTaskCount({ minCapacity: minTasks, maxCapacity: maxTasks })
    this.#scaleOut(count, backlogOf(queue))
    this.#scaleInWhenIdle(count, maxTasks)
  }

  #scaleOut(count: ecs.ScalableTaskCount, backlog: cloudwatch.Metric | undefined): void {
    if (!backlog) {
      count.scaleOnCpuUtilization('Busy', { targetUtilizationPercent: 60, disableScaleIn: true })
      return
    }
    count.scaleOnMetric('Backlog', {
      metric: backlog,
      adjustmentType: AdjustmentType.CHANGE_IN_CAPACITY,
      scalingSteps: [
        { upper: 0, change: 0 },
        { lower: 1, change: 1 },
        { lower: 10, change: 3 },
        { lower: 50, change: 5 },
      ],
      // A task takes about a minute to come.
      cooldown: Duration.minutes(2),
    })
  }

  /**
   * A wake-up leaves the queue when its job is begun, so an empty queue does not mean that nobody works. Who goes on a
   * film for hours is busy; ECS chooses whom it ends: so all go together, and only when the busiest is idle.
   */
  #scaleInWhenIdle(count: ecs.ScalableTaskCount, maxTasks: number): void {
    count.scaleOnMetric('Idle', {
      metric: this.service.metricCpuUtilization({ statistic: 'Maximum', period: Duration.minutes(1) }),
      adjustmentType: AdjustmentType.CHANGE_IN_CAPACITY,
      scalingSteps: [
        { upper: 5, change: -maxTasks },
        { lower: 6, change: 0 },
      ] satisfies applicationautoscaling.ScalingInterval[],
      evaluationPeriods: 15,
    })
  }
}

/** Wake-ups that nobody has taken yet; undefined where CloudWatch does not know. */
function backlogOf(queue: Engines['queue']): cloudwatch.Metric | undefined {
  const often = { statistic: 'Maximum', period: Duration.minutes(1) }
  if (!(queue instanceof KafkaQueue)) return queue.long.metricApproximateNumberOfMessagesVisible(often)
  const cluster = queue.settings.clusterArn?.split('/')[1]
  if (cluster === undefined) return undefined
  return new cloudwatch.Metric({
    namespace: 'AWS/Kafka',
    metricName: 'SumOffsetLag',
    dimensionsMap: { 'Cluster Name': cluster, 'Consumer Group': 'media-service.tasks', Topic: 'media.tasks' },
    ...often,
  })
}
