import { oneOf, type SettingsOf } from '../media/setting.ts'

export const queueSettings = {
  driver: oneOf('QUEUE_DRIVER', ['embedded'], {
    default: 'embedded',
    summary: 'What carries wake-ups to workers: `embedded` is a table in `DATA_DIR`, for workers in the same process.',
  }),
}

export type QueueSettings = SettingsOf<typeof queueSettings>
