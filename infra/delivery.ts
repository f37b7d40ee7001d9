import { createHash } from 'node:crypto'
import { Duration } from 'aws-cdk-lib'
import * as acm from 'aws-cdk-lib/aws-certificatemanager'
import * as cloudfront from 'aws-cdk-lib/aws-cloudfront'
import * as origins from 'aws-cdk-lib/aws-cloudfront-origins'
import { Construct } from 'constructs'
import type { Objects } from './objects.ts'
import type { Settings } from './settings.ts'

interface DeliveryProps {
  objects: Objects
  cdn: Settings['cdn']
  /** Pages that may read with cookies. */
  corsOrigins: readonly string[]
}

/** CloudFront in front of the processed bucket, for who has a signature of ours. */
export class Delivery extends Construct {
  readonly distribution: cloudfront.Distribution
  /** For who signs. */
  readonly env: Record<string, string>
  /** For who removes: has CloudFront forget it. */
  readonly workEnv: Record<string, string>
  /** For who signs too: keys whose signatures still count, where there are any. */
  readonly olderKeys: Record<string, string>

  constructor(scope: Construct, id: string, { objects, cdn, corsOrigins }: DeliveryProps) {
    super(scope, id)
    const keys = cdn.publicKeys.map((pem) => this.#key(pem.trim()))
    this.distribution = new cloudfront.Distribution(this, 'Distribution', {
      comment: 'Media Service: processed media, by signature',
      httpVersion: cloudfront.HttpVersion.HTTP2_AND_3,
      minimumProtocolVersion: cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
      ...this.#name(cdn),
      defaultBehavior: {
        origin: origins.S3BucketOrigin.withOriginAccessControl(objects.processed),
        trustedKeyGroups: [new cloudfront.KeyGroup(this, 'Keys', { items: keys.map(({ key }) => key) })],
        viewerProtocolPolicy: cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
        allowedMethods: cloudfront.AllowedMethods.ALLOW_GET_HEAD_OPTIONS,
        // Pictures, films and sound are compressed already.
        compress: false,
        cachePolicy: this.#cachePolicy(),
        originRequestPolicy: cloudfront.OriginRequestPolicy.CORS_S3_ORIGIN,
        responseHeadersPolicy: this.#headersPolicy(),
        functionAssociations: [
          { function: this.#answerer(corsOrigins), eventType: cloudfront.FunctionEventType.VIEWER_RESPONSE },
        ],
      },
      // What is missing or refused now may be there in a moment.
      errorResponses: [403, 404, 500, 502, 503, 504].map((httpStatus) => ({ httpStatus, ttl: Duration.seconds(0) })),
    })
    const [signing, ...older] = keys.map(({ key, pem }) => ({ id: key.publicKeyId, pem }))
    const driver = { CDN_DRIVER: 'cloudfront' }
    this.env = {
      ...driver,
      CDN_BASE_URL: `https://${cdn.domain ?? this.distribution.distributionDomainName}`,
      CDN_KEY_PAIR_ID: signing?.id ?? '',
      ...(cdn.cookieDomain !== undefined && { CDN_COOKIE_DOMAIN: cdn.cookieDomain }),
    }
    this.workEnv = { ...driver, CDN_DISTRIBUTION_ID: this.distribution.distributionId }
    const listed = older.map(({ id, pem }) => `${id}=${pem}`).join(',')
    this.olderKeys = listed === '' ? {} : { CDN_PUBLIC_KEY_FILES: listed }
  }

  /** It cannot be changed: another one is another resource, so that both are there while keys change. */
  #key(pem: string): { key: cloudfront.PublicKey; pem: string } {
    const name = `Key${createHash('sha256').update(pem).digest('hex').slice(0, 12)}`
    return { key: new cloudfront.PublicKey(this, name, { encodedKey: `${pem}\n` }), pem }
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
        accessControlAllowHeaders: allowed,
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
   * What a headers policy cannot say: it speaks of errors too, which nobody may keep, and knows either all origins or a few.
   * CloudFront runs no function when the origin answers 400 or more, and the policy's headers are there when it runs:
   * https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/edge-function-restrictions-all.html
   */
  #answerer(corsOrigins: readonly string[]): cloudfront.Function {
    return new cloudfront.Function(this, 'Answerer', {
      comment: 'Who may read outputs may keep them; some pages read with cookies',
      runtime: cloudfront.FunctionRuntime.JS_2_0,
      code: cloudfront.FunctionCode.fromInline(answerer(corsOrigins)),
    })
  }
}

const exposed = [
  ...['accept-ranges', 'content-disposition', 'content-length', 'content-range'],
  ...['etag', 'last-modified', 'retry-after'],
]

const allowed = [
  ...['authorization', 'range', 'if-range', 'if-match', 'if-none-match'],
  ...['if-modified-since', 'if-unmodified-since'],
]

/** As the embedded edge: to pages of these origins, browsers hand what names them; to all others, what names nobody. */
const answerer = (corsOrigins: readonly string[]) => `var pages = ${JSON.stringify(corsOrigins)}
function handler(event) {
  var response = event.response
  var origin = event.request.headers.origin
  if (response.statusCode < 400) {
    response.headers['cache-control'] = { value: 'private, max-age=31536000, immutable' }
  }
  if (pages.length > 0) response.headers['vary'] = { value: 'Origin' }
  if (origin && pages.includes(origin.value)) {
    response.headers['access-control-allow-origin'] = { value: origin.value }
    response.headers['access-control-allow-credentials'] = { value: 'true' }
  }
  return response
}
`
