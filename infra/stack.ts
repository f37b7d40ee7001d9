import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib'
import type { Construct } from 'constructs'
import { Alarms } from './alarms.ts'
import { Api } from './api.ts'
import { Delivery } from './delivery.ts'
import { Metadata } from './metadata.ts'
import { Objects } from './objects.ts'
import { KafkaQueue, Queues } from './queue.ts'
import type { Settings } from './settings.ts'
import { TaskPlace } from './tasks.ts'
import { WorkFunction, WorkTasks } from './worker.ts'

/** The whole service on AWS, a construct a room. It names no account and no region: they are who deploys it. */
export class MediaService extends Stack {
  constructor(scope: Construct, id: string, settings: Settings, props?: StackProps) {
    super(scope, id, { description: 'Media Service', ...props })
    const objects = new Objects(this, 'Objects', settings)
    const metadata = new Metadata(this, 'Metadata')
    const queue = settings.kafka ? new KafkaQueue(this, 'Queue', settings.kafka) : new Queues(this, 'Queue')
    const delivery = new Delivery(this, 'Delivery', { objects, ...settings })
    const place = new TaskPlace(this, 'Place', settings)

    const engines = { objects, metadata, queue, delivery }
    const limits = { TEMP_DAYS: `${settings.tempDays}`, UPLOAD_EXPIRY_SECONDS: `${settings.uploadExpirySeconds}` }
    const shared = { ...objects.env, ...metadata.env, ...queue.env, ...limits }
    const given = { engines, settings, place }
    const api = new Api(this, 'Api', { ...given, env: { ...shared, ...delivery.env, ...delivery.olderKeys } })
    const workEnv = { ...shared, ...delivery.workEnv }
    new WorkTasks(this, 'LongWork', { ...given, env: workEnv })
    const queues = queue instanceof Queues ? queue : undefined
    const work = queues && new WorkFunction(this, 'Work', { ...given, queue: queues, env: workEnv })
    new Alarms(this, 'Alarms', { api, metadata, queues, work, email: settings.alarmEmail })

    this.#tellSettings({ ...shared, ...api.env, ...delivery.env, ...delivery.workEnv })
    new CfnOutput(this, 'ApiTarget', {
      description: `${settings.api.domain} is to be a CNAME of it`,
      value: api.balancer.loadBalancerDnsName,
    })
    new CfnOutput(this, 'CdnTarget', {
      description: `${settings.cdn.domain ?? 'Nothing'} is to be a CNAME of it`,
      value: delivery.distribution.distributionDomainName,
    })
  }

  /** For processes elsewhere, which are then part of the same service: `description` is the variable. */
  #tellSettings(env: Record<string, string>): void {
    for (const [variable, value] of Object.entries(env)) {
      const id = variable.toLowerCase().replace(/(?:^|_)(.)/g, (_, letter: string) => letter.toUpperCase())
      new CfnOutput(this, `ServiceSettings${id}`, { description: variable, value })
    }
  }
}
