import { resolve } from 'node:path'
import { deliverySettings } from './delivery/settings.ts'
import { httpSettings } from './http/settings.ts'
import { oneOf, parseSettings, type SettingSet, type SettingsOf, text } from './media/setting.ts'
import { metadataSettings } from './metadata/settings.ts'
import { noticesSettings } from './notices/settings.ts'
import { objectsSettings } from './objects/settings.ts'
import { processingSettings } from './processing/settings.ts'
import { queueSettings } from './queue/settings.ts'
import { quotaSettings } from './quotas/settings.ts'
import { tracingSettings } from './tracing/settings.ts'
import { uploadSettings } from './uploads/settings.ts'
import { workerSettings } from './worker/settings.ts'

const serviceSettings = {
  dataDir: text('DATA_DIR', {
    takes: 'a folder',
    default: './data',
    summary: 'Where the embedded engines keep everything: objects, metadata, queue, keys. Made when missing.',
  }),
  logLevel: oneOf('LOG_LEVEL', ['debug', 'info', 'warn', 'error', 'silent'], {
    default: 'info',
    summary: 'What is logged, as JSON lines on standard error.',
  }),
}

/** Every setting there is, by room, in the order of the tables in docs/settings.md. */
export const rooms = {
  service: serviceSettings,
  http: httpSettings,
  uploads: uploadSettings,
  objects: objectsSettings,
  metadata: metadataSettings,
  queue: queueSettings,
  worker: workerSettings,
  quotas: quotaSettings,
  processing: processingSettings,
  delivery: deliverySettings,
  notices: noticesSettings,
  tracing: tracingSettings,
} satisfies Record<string, SettingSet>

export type Config = { readonly [Room in keyof typeof rooms]: SettingsOf<(typeof rooms)[Room]> }

/**
 * Parses the environment once.
 * @throws Error naming each wrong variable and what it takes; never a secret's value.
 */
export function readConfig(env: Record<string, string | undefined>): Config {
  const wrong: string[] = []
  const parsed: Record<string, unknown> = {}
  for (const [room, settings] of Object.entries(rooms)) {
    try {
      parsed[room] = Object.freeze(parseSettings(settings, env))
    } catch (error) {
      wrong.push((error as Error).message)
    }
  }
  if (wrong.length > 0) throw new Error(wrong.join('\n'))
  const config = parsed as Config
  return Object.freeze({ ...config, service: { ...config.service, dataDir: resolve(config.service.dataDir) } })
}
