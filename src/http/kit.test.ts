import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStore } from '../embedded/store.ts'
import { openLedger } from '../library/erasure.ts'
import { openLibrary } from '../library/library.ts'
import { openOperations } from '../library/operations.ts'
import { isoTime, systemChance, systemClock } from '../media/clock.ts'
import { newJob } from '../media/jobs.ts'
import { silentLog } from '../media/log.ts'
import { type MediaPatch, newRecord } from '../media/record.ts'
import { parseSettings } from '../media/setting.ts'
import { openMetadata } from '../metadata/open.ts'
import { metadataSettings } from '../metadata/settings.ts'
import { openDeliveryLog } from '../notices/delivery-log.ts'
import { openFeed } from '../notices/feed.ts'
import { openLive } from '../notices/live.ts'
import { openFilesystemObjects } from '../objects/filesystem.ts'
import { canPresign, hasPresignedDoor } from '../objects/port.ts'
import { openQueue } from '../queue/open.ts'
import { queueSettings } from '../queue/settings.ts'
import { openCompanionDoor } from '../uploads/companion.ts'
import { openDirectDoor } from '../uploads/direct.ts'
import { openIdempotency } from '../uploads/idempotency.ts'
import { openIntake } from '../uploads/intake.ts'
import { openPending } from '../uploads/pending.ts'
import { openRawDoor } from '../uploads/raw.ts'
import { openResumable } from '../uploads/resumable.ts'
import { type AppDeps, buildApp } from './app.ts'
import { httpSettings } from './settings.ts'
import { openUploadTokens } from './upload-tokens.ts'

/** Not a test: the doors on the real embedded engines, for the tests beside this file. */

export type Kit = Awaited<ReturnType<typeof openKit>>

/** Waits for a state, and says so when it does not come. */
export async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    if (tries > 4_000) throw new Error(`never came: ${holds}`)
    await systemClock.sleep(5)
  }
}

/** @param change what a test wants otherwise; `env` is the environment that the settings are read from. */
export async function openKit(change: Partial<AppDeps> & { env?: Record<string, string> } = {}) {
  const { env = {}, ...deps } = change
  const { clock = systemClock } = deps
  const folder = await mkdtemp(join(tmpdir(), 'http-'))
  const store = await openStore({ path: join(folder, 'media.sqlite') })
  const metadata = await openMetadata(parseSettings(metadataSettings, {}), { store: async () => store })
  const given = { store: async () => store, clock, chance: systemChance, log: silentLog }
  const queue = await openQueue(parseSettings(queueSettings, {}), given)
  const presign = { baseUrl: () => url, secret: systemChance.secret(32) }
  const objects = await openFilesystemObjects({ root: join(folder, 'objects'), clock, presign })
  const settings = parseSettings(httpSettings, env)
  const live = openLive({ metadata, clock, log: silentLog, interval: 20 })
  const feed = openFeed({ metadata, clock, log: silentLog, interval: 20, progressInterval: 20 })
  let url = 'http://127.0.0.1:8080'

  const ports = { metadata, objects, queue, clock, chance: systemChance, log: silentLog }
  const limits = { tempBucket: 'temp', formLimit: 1_000_000, maxBytes: 5 * 1024 ** 4, expirySeconds: 3_600 }
  const intake = openIntake({ ...ports, ...limits })
  const pending = openPending({ ...ports, ...limits })

  const resumable = openResumable({ ...ports, ...limits, pending })
  const direct = canPresign(objects) ? openDirectDoor({ pending, objects, clock }) : undefined

  const app = await buildApp({
    settings,
    publicUrl: () => settings.publicUrl ?? url,
    library: openLibrary({ metadata, objects, queue, clock, log: silentLog }),
    formDoor: { receive: async () => Promise.reject(new Error('this test has no form door')) },
    formLimit: limits.formLimit,
    rawDoor: openRawDoor({ intake, maxBytes: limits.maxBytes }),
    idempotency: openIdempotency({ metadata, clock }),
    resumable,
    direct,
    companion: direct && openCompanionDoor({ ...ports, ...limits, pending, direct }),
    uploadTokens: openUploadTokens({ key: systemChance.secret(32), clock }),
    store: hasPresignedDoor(objects) ? objects : undefined,
    downloads: { download: async () => Promise.reject(new Error('this test has no downloads')) },
    live,
    feed,
    deliveries: openDeliveryLog({ metadata, clock }),
    operations: openOperations(ports),
    readLedger: openLedger(ports),
    readiness: { metadata: async () => await metadata.ping(), objects: async () => await objects.ping() },
    log: silentLog,
    clock,
    chance: systemChance,
    ...deps,
  })

  /** Puts a media into the metadata as a door would, and returns its name. */
  async function addMedia(patch: MediaPatch & { user_id?: string } = {}): Promise<string> {
    const { user_id = 'local', ...fields } = patch
    const media_id = systemChance.uuid()
    const now = clock.now()
    await metadata.commit({
      media_id,
      expect: { absent: true },
      create: newRecord({
        media_id,
        user_id,
        title: 'Mountain Adventure',
        media_type: 'video',
        upload_time: isoTime(now),
        status: 'uploaded',
        ...fields,
      }),
      jobs: [{ create: newJob({ media_id, user_id, kind: 'process', lane: 'tasks', now }) }],
      events: [{ type: 'media.uploaded', at: isoTime(now) }],
    })
    return media_id
  }

  return {
    app,
    metadata,
    objects,
    queue,
    live,
    feed,
    intake,
    pending,
    resumable,
    clock,
    folder,
    addMedia,
    /** Listens on a free port; the address, without a slash. */
    async listen(): Promise<string> {
      await app.listen({ host: '127.0.0.1', port: 0 })
      const { port } = app.server.address() as AddressInfo
      url = `${settings.tlsCertFile ? 'https' : 'http'}://127.0.0.1:${port}`
      return url
    },
    async [Symbol.asyncDispose]() {
      live.close()
      feed.close()
      await app.close()
      await resumable.close()
      await Promise.all([metadata.close(), queue.close(), objects.close()])
      await store.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
