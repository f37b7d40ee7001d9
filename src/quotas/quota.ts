import { MediaError } from '../media/errors.ts'
import { noQuota, type Quota, type Usage } from '../media/quota.ts'
import type { Metadata } from '../metadata/port.ts'

export interface QuotaOptions {
  metadata: Pick<Metadata, 'usageOf'>
  /** Of a user, at most; null: as much as he likes. */
  bytes: number | null
  media: number | null
}

/** Asks the metadata what a user has; not at all where there is nothing to hold it against. */
export function openQuota({ metadata, bytes, media }: QuotaOptions): Quota {
  if (bytes === null && media === null) return noQuota
  const limits = { media: media ?? Number.POSITIVE_INFINITY, bytes: bytes ?? Number.POSITIVE_INFINITY }
  return {
    check: async (user_id, more) => {
      const used = await metadata.usageOf(user_id)
      for (const kind of ['media', 'bytes'] as const) {
        // Room that nothing is asked of is not refused: an upload under way has been counted.
        if (more[kind] > 0 && used[kind] + more[kind] > limits[kind])
          throw exceeded(user_id, { kind, used, more, limits })
      }
    },
  }
}

interface Excess {
  kind: keyof Usage
  used: Usage
  more: Usage
  limits: Usage
}

function exceeded(user_id: string, { kind, used, more, limits }: Excess): MediaError {
  const what = kind === 'media' ? 'media' : 'bytes of uploads'
  return new MediaError('quota_exceeded', `${user_id} has ${used[kind]} ${what} and wants ${more[kind]} more`, {
    detail: `You have ${used[kind]} of ${limits[kind]} ${what}, and this needs ${more[kind]} more. Remove some, or ask the operator for more.`,
  })
}
