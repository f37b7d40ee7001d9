import { Duration, RemovalPolicy } from 'aws-cdk-lib'
import * as s3 from 'aws-cdk-lib/aws-s3'
import { Construct } from 'constructs'
import type { Settings } from './settings.ts'

/** The two buckets, with the rules that `npm start -- setup` makes where there is no stack. */
export class Objects extends Construct {
  readonly temp: s3.Bucket
  readonly processed: s3.Bucket

  constructor(scope: Construct, id: string, settings: Settings) {
    super(scope, id)
    this.temp = new s3.Bucket(this, 'Temp', {
      ...closed,
      lifecycleRules: lifecycleOf(settings),
      ...(settings.corsOrigins.length > 0 && { cors: [partsCors(settings.corsOrigins)] }),
    })
    this.processed = new s3.Bucket(this, 'Processed', {
      ...closed,
      lifecycleRules: [{ id: 'media-service-parts', abortIncompleteMultipartUploadAfter: Duration.days(2) }],
      // The distribution answers preflights only as its origin does; who may read is said by the signature.
      cors: [
        { allowedOrigins: ['*'], allowedMethods: [s3.HttpMethods.GET, s3.HttpMethods.HEAD], allowedHeaders: ['*'] },
      ],
    })
  }

  get env(): Record<string, string> {
    return {
      OBJECTS_DRIVER: 's3',
      OBJECTS_S3_REGION: this.temp.stack.region,
      OBJECTS_TEMP_BUCKET: this.temp.bucketName,
      OBJECTS_PROCESSED_BUCKET: this.processed.bucketName,
    }
  }
}

/** Media outlive the stack. */
const closed = {
  blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
  objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
  encryption: s3.BucketEncryption.S3_MANAGED,
  enforceSSL: true,
  removalPolicy: RemovalPolicy.RETAIN,
} satisfies s3.BucketProps

function lifecycleOf({ tempDays, uploadExpirySeconds }: Settings): s3.LifecycleRule[] {
  const uploadDays = Math.ceil(uploadExpirySeconds / 86_400) + 1
  return [
    // Workers tag what is processed.
    { id: 'media-service-done', tagFilters: { 'media-service': 'done' }, expiration: Duration.days(tempDays) },
    {
      id: 'media-service-any',
      expiration: Duration.days(Math.max(10 * tempDays, uploadDays)),
      abortIncompleteMultipartUploadAfter: Duration.days(uploadDays),
    },
    { id: 'media-service-tails', prefix: '.tails/', expiration: Duration.days(uploadDays) },
  ]
}

/** For pages that send parts straight to the bucket. */
function partsCors(origins: readonly string[]): s3.CorsRule {
  return {
    id: 'media-service-parts',
    allowedOrigins: [...origins],
    allowedMethods: [s3.HttpMethods.PUT],
    allowedHeaders: ['*'],
    exposedHeaders: ['ETag'],
    maxAge: 3600,
  }
}
