import type { Cdn } from './port.ts'

export interface CdnSettings {
  driver: 'edge' | 'cloudfront'
  /** `CDN_DISTRIBUTION_ID` */
  distributionId?: string | undefined
}

/** The CDN that `settings` names. */
export async function openCdn({ driver, distributionId }: CdnSettings): Promise<Cdn> {
  switch (driver) {
    case 'edge':
      return { close: async () => {} }
    case 'cloudfront': {
      if (distributionId === undefined) throw new Error('CDN_DISTRIBUTION_ID is not set.')
      const { openCloudFront } = await import('./cloudfront.ts')
      return openCloudFront(distributionId)
    }
  }
}
