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

export const quotaSettings = { jobs }
export type QuotaSettings = SettingsOf<typeof quotaSettings>
