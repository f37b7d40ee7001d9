import { Duration, RemovalPolicy } from 'aws-cdk-lib'
import * as ec2 from 'aws-cdk-lib/aws-ec2'
import * as ecs from 'aws-cdk-lib/aws-ecs'
import * as logs from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import { taskImage } from './image.ts'
import type { Network, Settings } from './settings.ts'

/** Where tasks run: the network, the cluster, the image. */
export class TaskPlace extends Construct {
  readonly vpc: ec2.IVpc
  readonly cidr: string
  readonly subnets: ec2.SubnetSelection = { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS }
  readonly cluster: ecs.Cluster
  readonly image: ecs.ContainerImage
  readonly workers: ec2.SecurityGroup

  constructor(scope: Construct, id: string, { network }: Pick<Settings, 'network'>) {
    super(scope, id)
    this.vpc = network ? givenNetwork(this, network) : newNetwork(this)
    this.cidr = network?.cidr ?? this.vpc.vpcCidrBlock
    this.cluster = new ecs.Cluster(this, 'Cluster', {
      vpc: this.vpc,
      containerInsightsV2: ecs.ContainerInsights.ENABLED,
    })
    this.image = taskImage(this)
    this.workers = new ec2.SecurityGroup(this, 'Workers', { vpc: this.vpc, description: 'Nobody calls a worker' })
  }
}

/** Bytes go to S3 and DynamoDB without passing the NAT gateway, which costs by the byte. */
function newNetwork(scope: Construct): ec2.Vpc {
  return new ec2.Vpc(scope, 'Vpc', {
    maxAzs: 2,
    natGateways: 1,
    gatewayEndpoints: {
      S3: { service: ec2.GatewayVpcEndpointAwsService.S3 },
      DynamoDb: { service: ec2.GatewayVpcEndpointAwsService.DYNAMODB },
    },
  })
}

function givenNetwork(scope: Construct, network: Network): ec2.IVpc {
  return ec2.Vpc.fromVpcAttributes(scope, 'Vpc', {
    vpcId: network.vpcId,
    vpcCidrBlock: network.cidr,
    availabilityZones: [...network.availabilityZones],
    publicSubnetIds: [...network.publicSubnetIds],
    privateSubnetIds: [...network.privateSubnetIds],
  })
}

export interface TaskProps {
  place: TaskPlace
  /** What `src/main.ts` is to start. */
  command: string[]
  cpu: number
  memoryLimitMiB: number
  diskGiB: number
  env: Record<string, string>
  secrets: Record<string, ecs.Secret>
}

/** Settings that take a file get it from `container/start.sh`, which writes each `SECRET_…` to one. */
export function secretName(setting: string): string {
  return `SECRET_${setting}`
}

/** One container of our image. */
export function taskOf(scope: Construct, { place, command, env, secrets, diskGiB, ...size }: TaskProps) {
  const definition = new ecs.FargateTaskDefinition(scope, 'Task', { ...size, ephemeralStorageGiB: diskGiB })
  definition.addContainer('service', {
    image: place.image,
    command,
    environment: env,
    secrets,
    logging: ecs.LogDrivers.awsLogs({
      streamPrefix: command.join('-'),
      logGroup: new logs.LogGroup(scope, 'Logs', logKept),
    }),
    // Whether it lives; an engine that does not answer is no reason to end it.
    healthCheck: { command: ['CMD', 'node', 'container/health.mjs'], startPeriod: Duration.seconds(30) },
    // Fargate's longest: jobs are handed back, uploads end or go on elsewhere.
    stopTimeout: Duration.seconds(120),
    portMappings: command[0] === 'serve' ? [{ containerPort: 8080 }] : [],
    // Without it nobody would collect the tools' processes.
    linuxParameters: new ecs.LinuxParameters(scope, 'Linux', { initProcessEnabled: true }),
  })
  return definition
}

export const logKept = { retention: logs.RetentionDays.THREE_MONTHS, removalPolicy: RemovalPolicy.DESTROY }
