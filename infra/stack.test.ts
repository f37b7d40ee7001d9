import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Match } from 'aws-cdk-lib/assertions'
import { readConfig, rooms } from '../src/config.ts'
import { tableDefinition } from '../src/metadata/dynamodb-set-up.ts'
import { lifecycleOf, partsRule } from '../src/objects/s3-set-up.ts'
import { commonAttributes, laneAttributes } from '../src/queue/sqs-set-up.ts'
import { allOf, envOf, example, onlyOf, type Resource, synthesize } from './testing.ts'

const template = synthesize()
const known = new Set(Object.values(rooms).flatMap((room) => Object.values(room).map(({ variable }) => variable)))

/** The one with such a part of a name in its logical id. */
function named(type: string, part: string): Resource {
  const found = Object.entries(template.findResources(type)).filter(([id]) => id.startsWith(part))
  assert.equal(found.length, 1, `${type} ${part}`)
  return found[0]?.[1] as Resource
}

describe('buckets', () => {
  const temp = named('AWS::S3::Bucket', 'ObjectsTemp')
  const processed = named('AWS::S3::Bucket', 'ObjectsProcessed')

  test('are closed, encrypted, and outlive the stack', () => {
    for (const { Properties, DeletionPolicy } of [temp, processed]) {
      assert.deepEqual(Properties.PublicAccessBlockConfiguration, {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      })
      const [rule] = Properties.BucketEncryption.ServerSideEncryptionConfiguration
      assert.equal(rule.ServerSideEncryptionByDefault.SSEAlgorithm, 'AES256')
      assert.equal(DeletionPolicy, 'Retain')
    }
  })

  test('answer nothing without TLS', () => {
    const policies = allOf(template, 'AWS::S3::BucketPolicy')
    assert.equal(policies.length, 2)
    for (const { Properties } of policies) {
      const denied = Properties.PolicyDocument.Statement.filter((one: any) => one.Effect === 'Deny')
      assert.deepEqual(
        denied.map(({ Action, Condition, Principal }: any) => ({ Action, Condition, Principal })),
        [{ Action: 's3:*', Condition: { Bool: { 'aws:SecureTransport': 'false' } }, Principal: { AWS: '*' } }],
      )
    }
  })

  test('the temporary one forgets as the set-up says', () => {
    const rules = temp.Properties.LifecycleConfiguration.Rules.map((rule: any) => ({
      ID: rule.Id,
      prefix: rule.Prefix ?? '',
      tag: rule.TagFilters?.[0],
      days: rule.ExpirationInDays,
      abort: rule.AbortIncompleteMultipartUpload?.DaysAfterInitiation,
    }))
    const wanted = lifecycleOf({ tempDays: example.tempDays, expirySeconds: example.uploadExpirySeconds })
    assert.deepEqual(
      rules,
      wanted.map(({ ID, Filter, Expiration, AbortIncompleteMultipartUpload: abort }) => ({
        ID,
        prefix: Filter?.Prefix ?? '',
        tag: Filter?.Tag,
        days: Expiration?.Days,
        abort: abort?.DaysAfterInitiation,
      })),
    )
  })

  test('the temporary one takes parts from the pages named, as the set-up says', () => {
    const { ID, AllowedOrigins, AllowedMethods, AllowedHeaders, ExposeHeaders, MaxAgeSeconds } = partsRule(
      example.corsOrigins,
    )
    assert.deepEqual(temp.Properties.CorsConfiguration.CorsRules, [
      {
        Id: ID,
        AllowedOrigins,
        AllowedMethods,
        AllowedHeaders,
        ExposedHeaders: ExposeHeaders,
        MaxAge: MaxAgeSeconds,
      },
    ])
  })

  test('the processed one is read by this distribution alone', () => {
    const policies = allOf(template, 'AWS::S3::BucketPolicy').flatMap((one) => one.Properties.PolicyDocument.Statement)
    const allowed = policies.filter((one: any) => one.Effect === 'Allow')
    assert.equal(allowed.length, 1)
    const [{ Action, Principal, Condition }] = allowed
    assert.deepEqual([Action, Principal], ['s3:GetObject', { Service: 'cloudfront.amazonaws.com' }])
    assert.match(JSON.stringify(Condition), /AWS:SourceArn.*DeliveryDistribution/)
  })
})

describe('table', () => {
  const { Properties, DeletionPolicy } = onlyOf(template, 'AWS::DynamoDB::Table')

  test('is the set-up’s', () => {
    const wanted = tableDefinition('any')
    const sorted = (attributes: any[] = []) =>
      attributes.toSorted((a, b) => (a.AttributeName < b.AttributeName ? -1 : 1))
    assert.deepEqual(Properties.KeySchema, wanted.KeySchema)
    assert.deepEqual(sorted(Properties.AttributeDefinitions), sorted(wanted.AttributeDefinitions))
    assert.deepEqual(Properties.GlobalSecondaryIndexes, wanted.GlobalSecondaryIndexes)
    assert.equal(Properties.BillingMode, wanted.BillingMode)
    assert.equal(Properties.DeletionProtectionEnabled, wanted.DeletionProtectionEnabled)
  })

  test('expires items, can be restored, outlives the stack', () => {
    assert.deepEqual(Properties.TimeToLiveSpecification, { AttributeName: 'expires_at', Enabled: true })
    assert.deepEqual(Properties.PointInTimeRecoverySpecification, { PointInTimeRecoveryEnabled: true })
    assert.equal(DeletionPolicy, 'Retain')
  })
})

describe('queues', () => {
  /** As SQS would give them back. */
  const attributes = ({ Properties }: Resource) => ({
    ReceiveMessageWaitTimeSeconds: String(Properties.ReceiveMessageWaitTimeSeconds),
    MessageRetentionPeriod: String(Properties.MessageRetentionPeriod),
  })

  test('are the set-up’s', () => {
    const dead = named('AWS::SQS::Queue', 'QueueDeadLetters')
    assert.deepEqual(attributes(dead), commonAttributes)
    for (const lane of [named('AWS::SQS::Queue', 'QueueTasksL'), named('AWS::SQS::Queue', 'QueueTasks4')]) {
      const { VisibilityTimeout, RedrivePolicy, SqsManagedSseEnabled } = lane.Properties
      const has = {
        ...attributes(lane),
        VisibilityTimeout: String(VisibilityTimeout),
        RedrivePolicy: JSON.stringify({ ...RedrivePolicy, deadLetterTargetArn: 'dead' }),
      }
      assert.deepEqual(has, laneAttributes('dead'))
      assert.match(JSON.stringify(RedrivePolicy.deadLetterTargetArn), /QueueDeadLetters/)
      assert.equal(SqsManagedSseEnabled, true)
    }
  })
})

describe('the worker function', () => {
  const { Properties } = onlyOf(template, 'AWS::Lambda::Function')

  test('is our image, with all the time and disk there is', () => {
    assert.equal(Properties.PackageType, 'Image')
    assert.deepEqual(Properties.ImageConfig.Command, ['src/lambda/sqs.ts'])
    assert.equal(Properties.ImageConfig.EntryPoint.at(-1), 'src/lambda/runtime.ts')
    assert.equal(Properties.Timeout, 900)
    assert.equal(Properties.EphemeralStorage.Size, 10_240)
    assert.equal(Properties.ReservedConcurrentExecutions, 20)
    assert.equal(Properties.Environment.Variables.SANDBOX, 'weak')
    // The image's own is elsewhere, where Lambda lets nobody write.
    assert.match(Properties.Environment.Variables.DATA_DIR, /^\/tmp\//)
  })

  test('what it starts with is there', () => {
    for (const path of [Properties.ImageConfig.EntryPoint.at(-1), ...Properties.ImageConfig.Command]) {
      readFileSync(join(import.meta.dirname, '..', path))
    }
  })

  test('is woken by usual tasks, and says of each whether it failed', () => {
    const source = onlyOf(template, 'AWS::Lambda::EventSourceMapping').Properties
    assert.match(JSON.stringify(source.EventSourceArn), /QueueTasks4/)
    assert.deepEqual(source.FunctionResponseTypes, ['ReportBatchItemFailures'])
    assert.deepEqual(source.ScalingConfig, { MaximumConcurrency: 20 })
  })
})

describe('tasks', () => {
  const containerOf = (part: string) => named('AWS::ECS::TaskDefinition', part).Properties.ContainerDefinitions[0]

  test('are Fargate’s, of one image', () => {
    const images = allOf(template, 'AWS::ECS::TaskDefinition').map((one) => {
      assert.deepEqual(one.Properties.RequiresCompatibilities, ['FARGATE'])
      return JSON.stringify(one.Properties.ContainerDefinitions[0].Image)
    })
    assert.equal(new Set(images).size, 1)
    assert.deepEqual([containerOf('Api').Command, containerOf('LongWork').Command], [['serve'], ['worker']])
  })

  test('workers come with the backlog of the long lane, and go when nobody works', () => {
    const target = named('AWS::ApplicationAutoScaling::ScalableTarget', 'LongWork').Properties
    assert.deepEqual([target.MinCapacity, target.MaxCapacity], [0, 10])
    const backlog = named('AWS::CloudWatch::Alarm', 'LongWorkServiceTaskCountTargetBacklog').Properties
    assert.equal(backlog.MetricName, 'ApproximateNumberOfMessagesVisible')
    assert.match(JSON.stringify(backlog.Dimensions), /QueueTasksLong/)
    const idle = named('AWS::CloudWatch::Alarm', 'LongWorkServiceTaskCountTargetIdle').Properties
    assert.deepEqual([idle.MetricName, idle.Statistic, idle.EvaluationPeriods], ['CPUUtilization', 'Maximum', 15])
  })

  test('a worker has time to hand its jobs back', () => {
    const { StopTimeout, Environment } = containerOf('LongWork')
    const stop = Environment.find((one: any) => one.Name === 'WORKER_STOP_SECONDS').Value
    // What hangs is cut off by the process itself 30 s later.
    assert.ok(StopTimeout >= Number(stop) + 30)
  })
})

describe('the API', () => {
  test('speaks HTTPS; HTTP is sent there', () => {
    const listeners = allOf(template, 'AWS::ElasticLoadBalancingV2::Listener').map((one) => one.Properties)
    const [secure, plain] = listeners.toSorted((a, b) => b.Port - a.Port)
    assert.deepEqual([secure?.Port, secure?.Protocol], [443, 'HTTPS'])
    assert.deepEqual(secure?.Certificates, [{ CertificateArn: example.api.certificateArn }])
    assert.equal(plain?.Port, 80)
    assert.deepEqual(plain?.DefaultActions[0].RedirectConfig.Protocol, 'HTTPS')
  })

  test('is healthy when it says so', () => {
    const target = onlyOf(template, 'AWS::ElasticLoadBalancingV2::TargetGroup').Properties
    assert.deepEqual([target.HealthCheckPath, target.Matcher], ['/healthz', { HttpCode: '200' }])
  })

  test('is reached by the balancer alone', () => {
    const ingress = allOf(template, 'AWS::EC2::SecurityGroupIngress').map((one) => one.Properties)
    assert.equal(ingress.length, 1)
    assert.equal(ingress[0]?.FromPort, 8080)
    assert.match(JSON.stringify(ingress[0]?.SourceSecurityGroupId), /ApiBalancer/)
  })
})

describe('delivery', () => {
  const { DistributionConfig: config } = onlyOf(template, 'AWS::CloudFront::Distribution').Properties
  const behavior = config.DefaultCacheBehavior

  test('asks everybody for a signature of our keys, over HTTPS', () => {
    assert.equal(behavior.TrustedKeyGroups.length, 1)
    assert.equal(behavior.ViewerProtocolPolicy, 'https-only')
    assert.deepEqual(config.Aliases, ['cdn.example.com'])
    assert.equal(config.ViewerCertificate.AcmCertificateArn, example.cdn.certificateArn)
    const keys = onlyOf(template, 'AWS::CloudFront::KeyGroup').Properties.KeyGroupConfig.Items
    assert.equal(keys.length, 1)
  })

  test('fetches by origin access control', () => {
    const control = onlyOf(template, 'AWS::CloudFront::OriginAccessControl').Properties.OriginAccessControlConfig
    assert.deepEqual(
      [control.OriginAccessControlOriginType, control.SigningBehavior, control.SigningProtocol],
      ['s3', 'always', 'sigv4'],
    )
    assert.ok(config.Origins[0].OriginAccessControlId)
    assert.equal(config.Origins.length, 1)
  })

  test('keeps signatures out of the cache key, and the name to save under in it', () => {
    const { ParametersInCacheKeyAndForwardedToOrigin: key, ...ttl } = onlyOf(template, 'AWS::CloudFront::CachePolicy')
      .Properties.CachePolicyConfig
    assert.deepEqual(key.QueryStringsConfig, {
      QueryStringBehavior: 'whitelist',
      QueryStrings: ['response-content-disposition'],
    })
    assert.deepEqual([key.HeadersConfig.HeaderBehavior, key.CookiesConfig.CookieBehavior], ['none', 'none'])
    assert.equal(ttl.DefaultTTL, 31_536_000)
  })

  test('answers with the headers of the embedded edge', () => {
    const policy = onlyOf(template, 'AWS::CloudFront::ResponseHeadersPolicy').Properties.ResponseHeadersPolicyConfig
    assert.equal(policy.SecurityHeadersConfig.ContentTypeOptions.Override, true)
    assert.equal(policy.SecurityHeadersConfig.ContentSecurityPolicy.ContentSecurityPolicy, 'sandbox')
    assert.deepEqual(policy.CorsConfig.AccessControlAllowOrigins.Items, ['*'])
    const edge = readFileSync(join(import.meta.dirname, '../src/delivery/reply.ts'), 'utf8')
    assert.ok(edge.includes(`'${policy.CorsConfig.AccessControlAllowHeaders.Items.join(', ')}'`))
    assert.ok(edge.includes(`'${policy.CorsConfig.AccessControlExposeHeaders.Items.join(', ')}'`))
    assert.ok(edge.includes(`'cross-origin-resource-policy': '${policy.CustomHeadersConfig.Items[0].Value}'`))
  })

  /** What the viewer's response has in the end. */
  const answered = (statusCode: number, origin?: string, from = template) => {
    const source = onlyOf(from, 'AWS::CloudFront::Function').Properties.FunctionCode
    const run = new Function(`${source}; return handler`)() as (event: object) => any
    const headers = { 'access-control-allow-origin': { value: '*' } }
    const request = { headers: origin === undefined ? {} : { origin: { value: origin } } }
    return run({ request, response: { statusCode, headers } }).headers as Record<string, { value: string } | undefined>
  }

  test('what is sent may be kept for good, what is refused not', () => {
    const edge = readFileSync(join(import.meta.dirname, '../src/delivery/reply.ts'), 'utf8')
    for (const statusCode of [200, 206, 304]) {
      const value = answered(statusCode)['cache-control']?.value
      assert.ok(value && edge.includes(`'${value}'`), value)
    }
    for (const statusCode of [403, 404, 503]) assert.equal(answered(statusCode)['cache-control'], undefined)
    assert.equal(behavior.FunctionAssociations[0].EventType, 'viewer-response')
  })

  test('pages of the origins named read with cookies, all others without', () => {
    const corsOf = (...asked: Parameters<typeof answered>) => {
      const { vary, ...headers } = answered(...asked)
      const [allow, credentials] = ['origin', 'credentials'].map((one) => headers[`access-control-allow-${one}`]?.value)
      return [allow, credentials, vary?.value]
    }
    const page = 'https://app.example.com'
    assert.deepEqual(corsOf(200, page), [page, 'true', 'Origin'])
    assert.deepEqual(corsOf(200, 'https://other.example'), ['*', undefined, 'Origin'])
    assert.deepEqual(corsOf(200), ['*', undefined, 'Origin'])
    assert.deepEqual(corsOf(200, page, synthesize({ corsOrigins: [] })), ['*', undefined, undefined])
    const policy = onlyOf(template, 'AWS::CloudFront::ResponseHeadersPolicy').Properties.ResponseHeadersPolicyConfig
    assert.equal(policy.CorsConfig.AccessControlAllowCredentials, false)
  })

  test('takes a second key before the first goes', () => {
    const next = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ type: 'spki', format: 'pem' })
    const [first = ''] = example.cdn.publicKeys
    const idOf = (keys: (string | Buffer)[]) => {
      const rotated = synthesize({ cdn: { ...example.cdn, publicKeys: keys.map(String) } })
      const ids = Object.keys(rotated.findResources('AWS::CloudFront::PublicKey'))
      const group = onlyOf(rotated, 'AWS::CloudFront::KeyGroup').Properties.KeyGroupConfig.Items
      return {
        ids: ids.toSorted(),
        group,
        signs: rotated.findOutputs('ServiceSettingsCdnKeyPairId'),
        verifies: verifiedBy(rotated),
      }
    }
    const before = idOf([first])
    const both = idOf([first, next])
    const turned = idOf([next, first])
    assert.equal(both.ids.length, 2)
    assert.ok(both.ids.includes(before.ids[0] ?? ''), 'the first key stays the same resource')
    assert.equal(both.group.length, 2)
    assert.deepEqual(both.signs, before.signs)
    assert.deepEqual(turned.ids, both.ids)
    assert.notDeepEqual(turned.signs, both.signs)
    // The API reads its own signatures again, in the addresses of playlists.
    assert.equal(before.verifies, undefined)
    assert.deepEqual(both.verifies, [both.group[1], `=${String(next).trim()}`])
    assert.deepEqual(turned.verifies, [both.group[0], `=${first.trim()}`])
  })

  /** How the API's task is given the keys that it does not sign with. */
  function verifiedBy(from: typeof template): unknown[] | undefined {
    const containers = allOf(from, 'AWS::ECS::TaskDefinition').map((one) => one.Properties.ContainerDefinitions[0])
    const given: any[] = containers.find(({ Command }) => Command[0] === 'serve').Environment
    return given.find(({ Name }) => Name === 'CDN_PUBLIC_KEY_FILES')?.Value['Fn::Join'][1]
  }
})

describe('alarms', () => {
  test('watch what the operator must know, and tell him', () => {
    const alarms = Object.entries(template.findResources('AWS::CloudWatch::Alarm')).filter(([id]) =>
      id.startsWith('Alarms'),
    )
    assert.deepEqual(alarms.map(([id]) => id.replace(/[0-9A-F]{8}$/, '')).toSorted(), [
      ...['AlarmsApi5xx', 'AlarmsBalancer5xx', 'AlarmsDeadLetters', 'AlarmsFunctionErrors', 'AlarmsFunctionThrottles'],
      ...['AlarmsTableThrottles', 'AlarmsTasksAge', 'AlarmsTasksLongAge'],
    ])
    for (const [, { Properties }] of alarms) {
      assert.equal(Properties.AlarmActions.length, 1)
      assert.ok(Properties.AlarmDescription)
    }
    template.hasResourceProperties('AWS::SNS::Subscription', { Protocol: 'email', Endpoint: example.alarmEmail })
  })
})

describe('roles', () => {
  test('touch nothing but what is theirs', () => {
    const statements = allOf(template, 'AWS::IAM::Policy').flatMap((one) => one.Properties.PolicyDocument.Statement)
    assert.ok(statements.length > 10)
    for (const { Action, Resource } of statements) {
      for (const action of [Action].flat()) assert.doesNotMatch(action, /\*/)
      // AWS knows no narrower one for it.
      if (Action === 'ecr:GetAuthorizationToken') continue
      for (const resource of [Resource].flat()) assert.notEqual(resource, '*', JSON.stringify(Action))
    }
  })

  test('have no policy of AWS’ own, and nothing written into them besides', () => {
    for (const { Properties } of allOf(template, 'AWS::IAM::Role')) {
      assert.equal(Properties.ManagedPolicyArns, undefined)
      assert.equal(Properties.Policies, undefined)
    }
  })

  test('the API cannot write what is delivered', () => {
    const [policy] = Object.entries(template.findResources('AWS::IAM::Policy')).filter(([id]) =>
      id.startsWith('ApiTaskTask'),
    )
    const statements = policy?.[1].Properties.PolicyDocument.Statement as {
      Action: string | string[]
      Resource: object
    }[]
    const actions = statements
      .filter(({ Resource }) => JSON.stringify(Resource).includes('ObjectsProcessed'))
      .flatMap(({ Action }) => Action)
    assert.deepEqual(actions.toSorted(), ['s3:GetObject', 's3:ListBucket'])
  })
})

describe('who removes media', () => {
  test('may have this distribution forget them, and nobody else may', () => {
    const roles = Object.entries(template.findResources('AWS::IAM::Policy')).flatMap(([id, one]) => {
      const statements: any[] = one.Properties.PolicyDocument.Statement
      return statements
        .filter(({ Action }) => JSON.stringify(Action).includes('cloudfront'))
        .map(({ Action, Resource }) => {
          assert.match(JSON.stringify(Resource), /:cloudfront::.*:distribution\/.*DeliveryDistribution/)
          return `${id.replace(/[0-9A-F]{8}$/, '')} ${Action}`
        })
    })
    const action = 'cloudfront:CreateInvalidation'
    const both = [`LongWorkTaskTaskRoleDefaultPolicy ${action}`, `WorkRoleDefaultPolicy ${action}`]
    assert.deepEqual(roles.toSorted(), both)
  })

  test('is told which one, and who signs what for', () => {
    const task = (part: string): any[] =>
      named('AWS::ECS::TaskDefinition', part).Properties.ContainerDefinitions[0].Environment
    const cdnOf = (names: string[]) => names.filter((name) => name.startsWith('CDN_')).toSorted()
    const work = ['CDN_DISTRIBUTION_ID', 'CDN_DRIVER']
    assert.deepEqual(cdnOf(task('LongWork').map(({ Name }) => Name)), work)
    const { Variables } = onlyOf(template, 'AWS::Lambda::Function').Properties.Environment
    assert.deepEqual(cdnOf(Object.keys(Variables)), work)
    const signing = ['CDN_BASE_URL', 'CDN_COOKIE_DOMAIN', 'CDN_DRIVER', 'CDN_KEY_PAIR_ID']
    assert.deepEqual(cdnOf(task('Api').map(({ Name }) => Name)), signing)
  })
})

describe('settings and secrets', () => {
  const containers = allOf(template, 'AWS::ECS::TaskDefinition').map((one) => one.Properties.ContainerDefinitions[0])

  test('tasks, function and outputs name settings of the service, with values that it takes', () => {
    const outputs = Object.values(template.findOutputs('*')).filter(({ Description }) => known.has(Description))
    const environments = [
      ...containers.map((one) => Object.fromEntries(one.Environment.map(({ Name, Value }: any) => [Name, Value]))),
      onlyOf(template, 'AWS::Lambda::Function').Properties.Environment.Variables,
      Object.fromEntries(outputs.map(({ Description, Value }) => [Description, Value])),
    ]
    assert.equal(environments.length, 4)
    for (const environment of environments) {
      assert.ok(Object.keys(environment).length > 10)
      for (const name of Object.keys(environment)) assert.ok(known.has(name), `${name} is no setting`)
      const { objects, metadata, queue, delivery } = readConfig(envOf(environment))
      const drivers = [objects.driver, metadata.driver, queue.driver, delivery.driver]
      assert.deepEqual(drivers, ['s3', 'dynamodb', 'sqs', 'cloudfront'])
    }
  })

  test('outputs are settings, but for the two names to point at', () => {
    for (const [id, { Description }] of Object.entries(template.findOutputs('*'))) {
      if (id.startsWith('ServiceSettings')) assert.ok(known.has(Description), id)
      else assert.ok(['ApiTarget', 'CdnTarget'].includes(id), id)
    }
  })

  test('secrets come from Secrets Manager, into settings that take a file', () => {
    const secrets = containers.flatMap((one) => one.Secrets ?? []).map(({ Name }: any) => Name)
    assert.deepEqual(secrets.toSorted(), ['SECRET_AUTH_UPLOAD_KEY_FILE', 'SECRET_CDN_PRIVATE_KEY_FILE'])
    for (const name of secrets) assert.ok(known.has(name.replace(/^SECRET_/, '')), name)
    assert.ok(!JSON.stringify(template.toJSON()).includes('PRIVATE KEY'))
    assert.equal(onlyOf(template, 'AWS::SecretsManager::Secret').Properties.SecretString, undefined)
  })

  test('no account and no region is named but in what the settings give', () => {
    const given = [...Object.values(example.api), ...Object.values(example.cdn)].filter(
      (one) => typeof one === 'string',
    )
    const json = given.reduce<string>(
      (text, one) => text.replaceAll(String(one), ''),
      JSON.stringify(template.toJSON()),
    )
    assert.deepEqual(json.match(/111111111111|eu-central-1|us-east-1/g), null)
  })

  test('what is shown in consoles is plain ASCII, as some of them ask', () => {
    assert.deepEqual(JSON.stringify(template.toJSON()).match(/[^\x20-\x7e]/g), null)
  })
})

describe('with a Kafka that is there already', () => {
  const clusterArn = 'arn:aws:kafka:eu-central-1:111111111111:cluster/media/0000-1'
  const network = {
    vpcId: 'vpc-00000000000000001',
    cidr: '10.1.0.0/16',
    availabilityZones: ['eu-central-1a', 'eu-central-1b'],
    publicSubnetIds: ['subnet-00000000000000001', 'subnet-00000000000000002'],
    privateSubnetIds: ['subnet-00000000000000003', 'subnet-00000000000000004'],
  }
  const kafka = { brokers: ['b-1.example.com:9098'], sasl: 'msk-iam' as const, clusterArn }
  const changed = synthesize({ kafka, network, workers: undefined as never })

  test('there are no queues, no function, no second network; a worker is always there', () => {
    for (const type of ['AWS::SQS::Queue', 'AWS::Lambda::Function', 'AWS::EC2::VPC']) {
      assert.equal(allOf(changed, type).length, 0, type)
    }
    changed.hasResourceProperties('AWS::ApplicationAutoScaling::ScalableTarget', { MinCapacity: 1, MaxCapacity: 10 })
    changed.hasResourceProperties('AWS::CloudWatch::Alarm', { MetricName: 'SumOffsetLag' })
  })

  test('settings and roles are those of the cluster', () => {
    const [container] = allOf(changed, 'AWS::ECS::TaskDefinition').map((one) => one.Properties.ContainerDefinitions[0])
    const env = Object.fromEntries(container.Environment.map(({ Name, Value }: any) => [Name, Value]))
    for (const name of Object.keys(env)) assert.ok(known.has(name), `${name} is no setting`)
    const { queue } = readConfig(envOf(env))
    assert.deepEqual([queue.driver, queue.kafkaSasl, queue.kafkaBrokers], ['kafka', 'msk-iam', kafka.brokers])
    changed.hasResourceProperties('AWS::IAM::Policy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({ Resource: 'arn:aws:kafka:eu-central-1:111111111111:topic/media/0000-1/media.*' }),
          Match.objectLike({ Resource: 'arn:aws:kafka:eu-central-1:111111111111:group/media/0000-1/media-service*' }),
        ]),
      },
    })
  })
})
