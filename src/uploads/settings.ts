import { integer, type SettingsOf } from '../media/setting.ts'

export const uploadSettings = {
  formLimit: integer('UPLOAD_FORM_LIMIT', {
    min: 1,
    max: 1024 ** 4,
    unit: 'bytes',
    default: '104857600',
    summary: 'The largest file that the form door takes.',
  }),
  tempDays: integer('TEMP_DAYS', {
    min: 1,
    max: 3650,
    unit: 'days',
    default: '7',
    summary: 'How long raw bytes are kept after processing; ten times as long when they were never processed.',
  }),
}
export type UploadSettings = SettingsOf<typeof uploadSettings>
