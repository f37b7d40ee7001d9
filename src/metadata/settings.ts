import { oneOf, type SettingsOf } from '../media/setting.ts'

export const metadataSettings = {
  driver: oneOf('METADATA_DRIVER', ['embedded'], {
    default: 'embedded',
    summary: 'Where records, jobs and the event log lie: `embedded` is a database in `DATA_DIR`, owned by one process.',
  }),
}

export type MetadataSettings = SettingsOf<typeof metadataSettings>
