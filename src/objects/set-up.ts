import type { Chance, Clock } from '../media/clock.ts'
import type { ObjectsSettings } from './settings.ts'

export interface ObjectsSetUpGiven {
  tempDays: number
  /** Seconds that an upload in pieces may take. */
  expirySeconds: number
  /** Pages whose browsers send parts straight to the store. */
  corsOrigins: readonly string[]
  clock: Clock
  chance: Pick<Chance, 'random'>
}

/** Makes what the driver needs and is not there yet; a second time it changes nothing. Resolves with a line on each step. */
export async function setUpObjects(settings: ObjectsSettings, given: ObjectsSetUpGiven): Promise<string[]> {
  switch (settings.driver) {
    case 'filesystem':
      return ['objects: files need nothing made before']
    case 's3': {
      const { setUpS3 } = await import('./s3-set-up.ts')
      const { tempBucket, processedBucket } = settings
      return await setUpS3({ ...given, ...addressOf(settings), tempBucket, processedBucket })
    }
  }
}

/** Where S3 is. */
export function addressOf({ s3Endpoint, s3PublicEndpoint, s3Region, s3PathStyle }: ObjectsSettings) {
  return { endpoint: s3Endpoint, publicEndpoint: s3PublicEndpoint, region: s3Region, pathStyle: s3PathStyle }
}
