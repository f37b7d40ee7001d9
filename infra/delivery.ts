import { createHash } from 'node:crypto'
import { Duration } from 'aws-cdk-lib'
import * as acm from 'aws-cdk-lib/aws-certificatemanager'
import * as cloudfront from 'aws-cdk-lib/aws-cloudfront'
import * as origins from 'aws-cdk-lib/aws-cloudfront-origins'
import { Construct } from 'constructs'
import type { Objects } from './objects.ts'
import type { Settings } from './settings.ts'

/** CloudFront in front of the processed bucket, for who has a signature of ours. */
export class Delivery extends Construct {
  readonly distribution: cloudfront.Distribution
  readonly baseUrl: string
  /** Of the key that signs: `Key-Pair-Id` in addresses. */
  readonly keyPairId: string

  constructor(scope: Construct, id: string, { objects, cdn }: { objects: Objects; cdn: Settings['cdn'] }) {
    super(scope, id)
    // A key cannot be changed: another one is another resource, so that both are there while keys change.
    const keys = cdn.publicKeys.map((pem) => {
      const name = `Key${createHash('sha256').update(pem.trim()).digest('hex').slice(0, 12)}`
      return new cloudfront.PublicKey(this, name, { encodedKey: `${pem.trim()}\n` })
    })
    this.keyPairId = keys[0]?.publicKeyId ?? ''
    this.distribution = new cloudfront.Distribution(this, 'Distribution', {
      comment: 'Media Service: processed media, by signature',
      httpVersion: cloudfront.HttpVersion.HTTP2_AND_3,
      minimumProtocolVersion: cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
      ...this.#name(cdn),
      defaultBehavior: {
        origin: origins.S3BucketOrigin.withOriginAccessControl(objects.processed),
        trustedKeyGroups: [new cloudfront.KeyGroup(this, 'Keys', { items: keys })],
        viewerProtocolPolicy: cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
        allowedMethods: cloudfront.AllowedMethods.ALLOW_GET_HEAD_OPTIONS,
        // Pictures, films and sound are compressed already.
        compress: false,
        cachePolicy: this.#cachePolicy(),
        originRequestPolicy: cloudfront.OriginRequestPolicy.CORS_S3_ORIGIN,
        responseHeadersPolicy: this.#headersPolicy(),
        functionAssociations: [
          { function: this.#keptForGood(), eventType: cloudfront.FunctionEventType.VIEWER_RESPONSE },
        ],
      },
      // What is missing or refused now may be there in a moment.
      errorResponses: [403, 404, 500, 502, 503, 504].map((httpStatus) => ({ httpStatus, ttl: Duration.seconds(0) })),
    })
    this.baseUrl = `https://${cdn.domain ?? this.distribution.distributionDomainName}`
  }

  get env(): Record<string, string> {
    return { CDN_BASE_URL: this.baseUrl, CDN_KEY_PAIR_ID: this.keyPairId }
  }

  #name({ domain, certificateArn }: Settings['cdn']): Partial<cloudfront.DistributionProps> {
    if (domain === undefined || certificateArn === undefined) return {}
    const certificate = acm.Certificate.fromCertificateArn(this, 'Certificate', certificateArn)
    return { domainNames: [domain], certificate }
  }

  /** CloudFront itself leaves `Expires`, `Signature`, `Policy`, `Key-Pair-Id` out of the key, and ranges are served from the whole. */
  #cachePolicy(): cloudfront.CachePolicy {
    return new cloudfront.CachePolicy(this, 'CachePolicy', {
      comment: 'The bytes of a key never change; S3 answers the name to save them under',
      defaultTtl: Duration.days(365),
      minTtl: Duration.seconds(0),
      maxTtl: Duration.days(365),
      queryStringBehavior: cloudfront.CacheQueryStringBehavior.allowList('response-content-disposition'),
      headerBehavior: cloudfront.CacheHeaderBehavior.none(),
      cookieBehavior: cloudfront.CacheCookieBehavior.none(),
    })
  }

  /** As the embedded edge answers. */
  #headersPolicy(): cloudfront.ResponseHeadersPolicy {
    return new cloudfront.ResponseHeadersPolicy(this, 'HeadersPolicy', {
      corsBehavior: {
        accessControlAllowCredentials: false,
        accessControlAllowHeaders: ['*'],
        accessControlAllowMethods: ['GET', 'HEAD', 'OPTIONS'],
        accessControlAllowOrigins: ['*'],
        accessControlExposeHeaders: exposed,
        accessControlMaxAge: Duration.days(1),
        originOverride: true,
      },
      securityHeadersBehavior: {
        contentTypeOptions: { override: true },
        contentSecurityPolicy: { contentSecurityPolicy: 'sandbox', override: true },
        strictTransportSecurity: { accessControlMaxAge: Duration.days(365), override: true },
      },
      customHeadersBehavior: {
        customHeaders: [{ header: 'cross-origin-resource-policy', value: 'cross-origin', override: true }],
      },
    })
  }

  /**
   * A headers policy would say it of errors too. CloudFront runs no function when the origin answers 400 or more:
   * https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/edge-function-restrictions-all.html
   */
  #keptForGood(): cloudfront.Function {
    return new cloudfront.Function(this, 'KeptForGood', {
      comment: 'Outputs never change: who may read them may keep them',
      runtime: cloudfront.FunctionRuntime.JS_2_0,
      code: cloudfront.FunctionCode.fromInline(keptForGood),
    })
  }
}

const exposed = [
  ...['accept-ranges', 'content-disposition', 'content-length', 'content-range'],
  ...['etag', 'last-modified', 'retry-after'],
]

const keptForGood = `function handler(event) {
  var response = event.response
  if (response.statusCode < 400) {
    response.headers['cache-control'] = { value: 'private, max-age=31536000, immutable' }
  }
  return response
}
`
