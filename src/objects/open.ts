import { join } from 'node:path'
import { type Chance, type Clock, systemChance } from '../media/clock.ts'
import type { Log } from '../media/log.ts'
import { type FilesystemOptions, openFilesystemObjects } from './filesystem.ts'
import type { ObjectStore } from './port.ts'
import { addressOf } from './set-up.ts'
import type { ObjectsSettings } from './settings.ts'

export interface OpenGiven {
  dataDir: string
  clock: Clock
  log?: Log
  secret?: Chance['secret']
  /** For the pauses between attempts. */
  chance?: Pick<Chance, 'random'>
  /** What the addresses are made of that an engine without a server of its own gives for parts. */
  presign?: FilesystemOptions['presign']
  /** False to read beside the process that owns them. */
  owns?: boolean
}

/** Opens the driver that the settings name; without `owns`, to read beside the process that does. What it can do besides is asked by `hasLocalFiles` and `isExpiring`. */
export async function openObjects(
  settings: ObjectsSettings,
  { dataDir, clock, secret, chance = systemChance, presign, owns = true }: OpenGiven,
): Promise<ObjectStore> {
  if (settings.tempBucket === settings.processedBucket) {
    throw new Error(
      `OBJECTS_TEMP_BUCKET and OBJECTS_PROCESSED_BUCKET are both "${settings.tempBucket}": raw uploads expire, and what is delivered must not. Name two buckets.`,
    )
  }
  switch (settings.driver) {
    case 'filesystem':
      return await openFilesystemObjects({
        root: join(dataDir, 'objects'),
        clock,
        ...(secret && { secret }),
        ...(presign && { presign }),
        owns,
        hashing: settings.filesystemEtag === 'md5' ? 'md5' : 'off',
      })
    case 's3': {
      const { openS3Objects } = await import('./s3.ts')
      const buckets = owns ? [settings.tempBucket, settings.processedBucket] : [settings.processedBucket]
      // Who only reads needs no room for what is on its way.
      const spool = owns ? join(dataDir, 'spool') : null
      return await openS3Objects({ ...addressOf(settings), buckets, spool, clock, chance })
    }
  }
}
