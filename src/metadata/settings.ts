import { oneOf, optionalText, type SettingsOf, text } from '../media/setting.ts'

export const metadataSettings = {
  driver: oneOf('METADATA_DRIVER', ['embedded', 'dynamodb'], {
    default: 'embedded',
    summary:
      'Where records, jobs and the event log lie: `embedded` is a database in `DATA_DIR`, owned by one process; `dynamodb` is a table that many share.',
  }),
  dynamodbTable: tableName('METADATA_DYNAMODB_TABLE', 'media-service', 'The table of `dynamodb`.'),
  dynamodbEndpoint: endpoint('METADATA_DYNAMODB_ENDPOINT', 'Where DynamoDB is asked, when not at AWS’s own address.'),
  dynamodbRegion: optionalText('METADATA_DYNAMODB_REGION', {
    takes: 'an AWS region',
    summary: 'The region of the table; not set, as the AWS SDK finds it, and `us-east-1` at an endpoint of your own.',
  }),
}

export type MetadataSettings = SettingsOf<typeof metadataSettings>

function tableName(variable: string, name: string, summary: string) {
  const setting = text(variable, {
    takes: 'a table name: 3–255 of A–Z, a–z, 0–9, `_`, `-`, `.`',
    default: name,
    summary,
  })
  return {
    ...setting,
    parse: (value: string) => {
      if (!/^[A-Za-z0-9_.-]{3,255}$/.test(value)) throw new Error('not a table name')
      return value
    },
  }
}

function endpoint(variable: string, summary: string) {
  const setting = optionalText(variable, { takes: 'an address, as `http://127.0.0.1:8000`', summary })
  return {
    ...setting,
    parse: (value: string | undefined) => {
      if (value !== undefined && !/^https?:$/.test(new URL(value).protocol)) throw new Error('not http or https')
      return value
    },
  }
}
