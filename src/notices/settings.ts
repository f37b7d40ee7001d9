import { flag, list, optionalText, type Setting, type SettingsOf } from '../media/setting.ts'

/** Pauses between tries, the last try 24 hours after the first: https://www.standardwebhooks.com recommends the first ones. */
const schedule = '5,300,1800,7200,18000,36000,23095'

const retrySeconds: Setting<readonly number[]> = {
  ...list('WEBHOOKS_RETRY_SECONDS', {
    default: schedule,
    takes: 'numbers of seconds, 1–86400, separated by commas',
    summary:
      'Pauses between the tries of a webhook, each up to a tenth longer by chance; after the last it has failed. By default the last try is 24 hours after the first.',
  }),
  parse: (value) => {
    const pauses = value.split(',').map((one) => one.trim())
    const right = pauses.length <= 50 && pauses.every((one) => /^\d{1,5}$/.test(one) && +one >= 1 && +one <= 86_400)
    if (!right) throw new Error('not pauses')
    return pauses.map(Number)
  },
}

export const noticesSettings = {
  webhooksFile: optionalText('WEBHOOKS_FILE', {
    takes: 'a path',
    summary: 'Who is told of media, and how that is signed: docs/webhooks.md.',
  }),
  webhooksAllowInternal: flag('WEBHOOKS_ALLOW_INTERNAL', {
    default: 'false',
    summary:
      'Whether webhooks may go to this machine and its networks, and by `http`. Otherwise they go to public addresses by `https` only.',
  }),
  webhooksRetrySeconds: retrySeconds,
}

export type NoticesSettings = SettingsOf<typeof noticesSettings>
