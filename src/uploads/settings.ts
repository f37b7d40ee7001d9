import { integer, type SettingsOf } from '../media/setting.ts'

export const uploadSettings = {
  formLimit: integer('UPLOAD_FORM_LIMIT', {
    min: 1,
    max: 1024 ** 4,
    unit: 'bytes',
    default: '104857600',
    summary: 'The largest file that the form door takes.',
  }),
  maxBytes: integer('UPLOAD_MAX_BYTES', {
    min: 1,
    max: 5 * 1024 ** 4,
    unit: 'bytes',
    default: '5497558138880',
    summary: 'The largest file that any door takes; at most 5 TiB.',
  }),
  expirySeconds: integer('UPLOAD_EXPIRY_SECONDS', {
    min: 1,
    max: 30 * 86_400,
    unit: 'seconds',
    default: '604800',
    summary: 'How long an upload in pieces may take; what is not complete then is removed.',
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
