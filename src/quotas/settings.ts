import { type Setting, type SettingsOf, text } from '../media/setting.ts'

/** Null: as many as the workers do at a time. */
const jobs: Setting<number | null> = {
  ...text('QUOTA_JOBS', {
    default: 'auto',
    takes: '`auto`, or a whole number from 1',
    summary:
      'Jobs of one user in flight at a time; more wait until one of them ends, so that others need not wait behind them. `auto`: as many as all workers that live do at a time.',
  }),
  parse: (value) => {
    if (value === 'auto') return null
    if (!/^[1-9]\d{0,6}$/.test(value)) throw new Error('not a number from 1')
    return Number(value)
  },
}

/** Null: none. */
function limit(variable: string, summary: string): Setting<number | null> {
  return {
    ...text(variable, { default: 'off', takes: '`off`, or a whole number from 1', summary }),
    parse: (value) => {
      if (value === 'off') return null
      if (!/^[1-9]\d{0,14}$/.test(value)) throw new Error('not a number from 1')
      return Number(value)
    },
  }
}

export const quotaSettings = {
  bytes: limit('QUOTA_BYTES', 'Bytes of uploads that a user may have, of all media that he has not removed.'),
  media: limit('QUOTA_MEDIA', 'Media that a user may have.'),
  jobs,
  requests: limit(
    'QUOTA_REQUESTS',
    'Requests to the API a minute and user, for each process; more are answered 429 with `Retry-After`.',
  ),
}
export type QuotaSettings = SettingsOf<typeof quotaSettings>
