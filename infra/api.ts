import { Duration } from 'aws-cdk-lib'
import * as acm from 'aws-cdk-lib/aws-certificatemanager'
import * as ec2 from 'aws-cdk-lib/aws-ec2'
import * as ecs from 'aws-cdk-lib/aws-ecs'
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager'
import { Construct } from 'constructs'
import { KafkaQueue } from './queue.ts'
import { letServe } from './rights.ts'
import type { Settings } from './settings.ts'
import { secretName, type TaskPlace, taskOf } from './tasks.ts'
import type { WorkProps } from './worker.ts'

/** The API behind a balancer that speaks HTTPS. */
export class Api extends Construct {
  readonly balancer: elb.ApplicationLoadBalancer
  readonly targets: elb.ApplicationTargetGroup
  readonly service: ecs.FargateService
  readonly env: Record<string, string>

  constructor(scope: Construct, id: string, { engines, settings, env, place }: WorkProps & { place: TaskPlace }) {
    super(scope, id)
    this.env = apiEnv(settings, place.cidr)
    const definition = taskOf(this, {
      place,
      command: ['serve'],
      cpu: 1024,
      memoryLimitMiB: 2048,
      // Forms are spooled before they go to S3.
      diskGiB: 100,
      env: { ...env, ...this.env, HOST: '0.0.0.0', PORT: '8080' },
      secrets: this.#secrets(settings, engines.queue),
    })
    letServe(definition.taskRole, engines)
    const own = new ec2.SecurityGroup(this, 'Tasks', { vpc: place.vpc, description: 'Only the balancer calls' })
    this.service = new ecs.FargateService(this, 'Service', {
      cluster: place.cluster,
      taskDefinition: definition,
      circuitBreaker: { rollback: true },
      minHealthyPercent: 100,
      healthCheckGracePeriod: Duration.minutes(1),
      securityGroups: [own],
      vpcSubnets: place.subnets,
    })
    const { minTasks, maxTasks } = settings.api
    this.service
      .autoScaleTaskCount({ minCapacity: minTasks, maxCapacity: maxTasks })
      .scaleOnCpuUtilization('Busy', { targetUtilizationPercent: 60 })
    this.balancer = new elb.ApplicationLoadBalancer(this, 'Balancer', {
      vpc: place.vpc,
      internetFacing: true,
      dropInvalidHeaderFields: true,
      // Events of a media are sent as they come, with a sign of life every 15 s.
      idleTimeout: Duration.minutes(2),
    })
    this.targets = this.#listen(settings.api.certificateArn, place.vpc)
  }

  /** The upload tokens' key is made by Secrets Manager; nobody ever needs to see it. */
  #secrets({ cdn }: Settings, queue: WorkProps['engines']['queue']): Record<string, ecs.Secret> {
    const uploadKey = new secretsmanager.Secret(this, 'UploadKey', {
      description: 'What upload tokens are signed with',
      generateSecretString: { passwordLength: 64, excludePunctuation: true },
    })
    const cdnKey = secretsmanager.Secret.fromSecretCompleteArn(this, 'CdnPrivateKey', cdn.privateKeySecretArn)
    return {
      [secretName('AUTH_UPLOAD_KEY_FILE')]: ecs.Secret.fromSecretsManager(uploadKey),
      [secretName('CDN_PRIVATE_KEY_FILE')]: ecs.Secret.fromSecretsManager(cdnKey),
      ...(queue instanceof KafkaQueue &&
        queue.password && {
          [secretName('QUEUE_KAFKA_PASSWORD_FILE')]: ecs.Secret.fromSecretsManager(queue.password),
        }),
    }
  }

  #listen(certificateArn: string, vpc: ec2.IVpc): elb.ApplicationTargetGroup {
    const targets = new elb.ApplicationTargetGroup(this, 'Targets', {
      vpc,
      port: 8080,
      protocol: elb.ApplicationProtocol.HTTP,
      targetType: elb.TargetType.IP,
      targets: [this.service],
      deregistrationDelay: Duration.seconds(100),
      // Whether it lives, by whatever name; an engine that fails is no reason to send everybody away.
      healthCheck: { path: '/healthz', healthyHttpCodes: '200', interval: Duration.seconds(10) },
    })
    this.balancer.addListener('Https', {
      port: 443,
      protocol: elb.ApplicationProtocol.HTTPS,
      sslPolicy: elb.SslPolicy.TLS13_RES,
      certificates: [acm.Certificate.fromCertificateArn(this, 'Certificate', certificateArn)],
      defaultTargetGroups: [targets],
    })
    this.balancer.addRedirect({ sourcePort: 80, targetPort: 443 })
    return targets
  }
}

function apiEnv({ api, identity, corsOrigins }: Settings, cidr: string): Record<string, string> {
  const { jwksUrl, issuer, audience } = identity
  return {
    PUBLIC_URL: `https://${api.domain}`,
    TRUST_PROXY: cidr,
    AUTH_JWKS_URL: jwksUrl,
    ...(issuer !== undefined && { AUTH_JWT_ISSUER: issuer }),
    ...(audience !== undefined && { AUTH_JWT_AUDIENCE: audience }),
    ...(corsOrigins.length > 0 && { CORS_ORIGINS: corsOrigins.join(',') }),
  }
}
