import { flag, oneOf, optionalText, type SettingsOf, text } from '../media/setting.ts'

export const objectsSettings = {
  driver: oneOf('OBJECTS_DRIVER', ['filesystem', 's3'], {
    default: 'filesystem',
    summary:
      'Where objects are kept: `filesystem` keeps them as plain files in `DATA_DIR/objects`, `s3` in buckets of S3 or of a server that speaks as S3 does.',
  }),
  tempBucket: bucket('OBJECTS_TEMP_BUCKET', 'temp-bucket', 'Bucket of raw uploads, until they are processed.'),
  processedBucket: bucket('OBJECTS_PROCESSED_BUCKET', 'processed-bucket', 'Bucket of what is delivered.'),
  filesystemEtag: oneOf('OBJECTS_FILESYSTEM_ETAG', ['md5', 'opaque'], {
    default: 'md5',
    summary:
      'What `filesystem` gives as ETag: `md5` of the bytes, as S3 does, or `opaque`, which costs nothing and says nothing of the bytes.',
  }),
  s3Endpoint: endpoint('OBJECTS_S3_ENDPOINT', 'Where the service reaches S3; Amazon’s of the region when not given.'),
  s3PublicEndpoint: endpoint(
    'OBJECTS_S3_PUBLIC_ENDPOINT',
    'Where browsers reach S3, to send parts straight to it; `OBJECTS_S3_ENDPOINT` when not given.',
  ),
  s3Region: optionalText('OBJECTS_S3_REGION', {
    takes: 'a region, such as `eu-central-1`',
    summary:
      'Region of the buckets; as `AWS_REGION` or the profile says when not given, and `us-east-1` with an endpoint. Credentials come the usual way of AWS: environment, profile or role.',
  }),
  s3PathStyle: flag('OBJECTS_S3_PATH_STYLE', {
    default: 'false',
    summary: 'Addresses name the bucket in their path and not in the host: most servers that are not Amazon’s want it.',
  }),
}
export type ObjectsSettings = SettingsOf<typeof objectsSettings>

function bucket(variable: string, name: string, summary: string) {
  const setting = text(variable, { takes: 'a bucket name: 3–63 of a–z, 0–9, `.` and `-`', default: name, summary })
  return {
    ...setting,
    parse: (value: string) => {
      // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
      if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(value) || value.includes('..'))
        throw new Error('not a bucket name')
      return value
    },
  }
}

function endpoint(variable: string, summary: string) {
  const setting = optionalText(variable, { takes: 'an address, such as `https://s3.example.com`', summary })
  return {
    ...setting,
    parse: (value: string) => {
      const { protocol, pathname, search, username, origin } = new URL(value)
      const isPlain = pathname === '/' && search === '' && username === ''
      if (!['http:', 'https:'].includes(protocol) || !isPlain) throw new Error('not an address')
      return origin
    },
  }
}
