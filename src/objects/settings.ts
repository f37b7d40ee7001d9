import { oneOf, type SettingsOf, text } from '../media/setting.ts'

export const objectsSettings = {
  driver: oneOf('OBJECTS_DRIVER', ['filesystem'], {
    default: 'filesystem',
    summary: 'Where objects are kept: `filesystem` keeps them as plain files in `DATA_DIR/objects`.',
  }),
  tempBucket: bucket('OBJECTS_TEMP_BUCKET', 'temp-bucket', 'Bucket of raw uploads, until they are processed.'),
  processedBucket: bucket('OBJECTS_PROCESSED_BUCKET', 'processed-bucket', 'Bucket of what is delivered.'),
  filesystemEtag: oneOf('OBJECTS_FILESYSTEM_ETAG', ['md5', 'opaque'], {
    default: 'md5',
    summary:
      'What `filesystem` gives as ETag: `md5` of the bytes, as S3 does, or `opaque`, which costs nothing and says nothing of the bytes.',
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
