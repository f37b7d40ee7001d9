import { RemovalPolicy } from 'aws-cdk-lib'
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb'
import { Construct } from 'constructs'

const { STRING, NUMBER } = dynamodb.AttributeType

/** The one table of records, jobs and the event log, as `src/metadata/dynamodb-set-up.ts` makes it. */
export class Metadata extends Construct {
  readonly table: dynamodb.Table

  constructor(scope: Construct, id: string) {
    super(scope, id)
    this.table = new dynamodb.Table(this, 'Table', {
      partitionKey: { name: 'PK', type: STRING },
      sortKey: { name: 'SK', type: STRING },
      billingMode: dynamodb.BillingMode.PAY_PER_REQUEST,
      timeToLiveAttribute: 'expires_at',
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      deletionProtection: true,
      removalPolicy: RemovalPolicy.RETAIN,
    })
    this.table.addGlobalSecondaryIndex({
      indexName: 'by-user',
      partitionKey: { name: 'user', type: STRING },
      sortKey: { name: 'listed', type: STRING },
      projectionType: dynamodb.ProjectionType.INCLUDE,
      nonKeyAttributes: ['doc', 'status', 'media_type', 'title_folded', 'expires_at'],
    })
    this.table.addGlobalSecondaryIndex({
      indexName: 'by-state',
      partitionKey: { name: 'state_shard', type: STRING },
      sortKey: { name: 'due', type: NUMBER },
    })
    this.table.addGlobalSecondaryIndex({
      indexName: 'by-unlogged',
      partitionKey: { name: 'log_shard', type: NUMBER },
      sortKey: { name: 'log_since', type: NUMBER },
      projectionType: dynamodb.ProjectionType.KEYS_ONLY,
    })
  }

  get env(): Record<string, string> {
    return {
      METADATA_DRIVER: 'dynamodb',
      METADATA_DYNAMODB_REGION: this.table.stack.region,
      METADATA_DYNAMODB_TABLE: this.table.tableName,
    }
  }
}
