import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { startForgetting } from '../delivery/images/forgetting.ts'
import { openImages } from '../delivery/images/images.ts'
import type { Verifier } from '../delivery/signer.ts'
import { problemOf } from '../http/errors.ts'
import { openTransforming } from '../processing/transforming.ts'
import { openCacheStorage } from './edge.ts'
import type { Ports } from './ports.ts'
import { once, type Site } from './site.ts'

/** Pictures made on the fly, below `/i`. */
export async function openSiteImages(site: Site, { metadata, objects, scratch }: Ports, verifier: Verifier) {
  const { config, clock, log, chance, closers, publicUrl } = site
  const storage = await openCacheStorage(site, scratch, 'images')
  const workRoot = join(scratch, 'work-images')
  const settings = config.processing
  const maker = await openTransforming({ sandbox: await site.sandbox(), settings, workRoot, clock, chance })
  closers.add('picture maker', maker.close)
  // With PORT=0 its address is known only once the API listens.
  const images = once(() =>
    openImages({
      metadata,
      objects,
      verifier,
      maker,
      storage,
      clock,
      log,
      publicUrl: publicUrl(),
      problemOf: (error) => problemOf(error, chance.uuid()),
      atOnce: config.delivery.imageConcurrency,
    }),
  )
  const forget = (media_id: string) => images().forget(media_id)
  const forgetting = startForgetting({ storage, metadata, clock, log, forget })
  closers.add('images', () => {
    forgetting.stop()
    images().close()
  })
  return (request: IncomingMessage, reply: ServerResponse) => images().handle(request, reply)
}
