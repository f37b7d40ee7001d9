import { wireOf } from '../http/projection.ts'
import type { Endpoint } from '../notices/endpoints.ts'
import { openPoster } from '../notices/post.ts'
import { startWebhooks } from '../notices/webhooks.ts'
import type { Metrics } from '../worker/metrics.ts'
import type { Ports } from './ports.ts'
import type { Site } from './site.ts'

/** Every process with an API can send webhooks; one at a time does. */
export function startSiteWebhooks(
  site: Site,
  { metadata }: Ports,
  { endpoints, metrics }: { endpoints: readonly Endpoint[]; metrics: Metrics },
): void {
  if (endpoints.length === 0) return
  const { config, closers, publicUrl } = site
  const { webhooksAllowInternal, webhooksRetrySeconds } = config.notices
  const poster = openPoster({ mayBeInternal: webhooksAllowInternal })
  const webhooks = startWebhooks({
    ...site,
    ...{ metadata, endpoints, poster, schedule: webhooksRetrySeconds },
    describe: (view) => wireOf(view, publicUrl()),
    onTry: metrics.countWebhook,
  })
  closers.add('webhooks', async () => {
    await webhooks.stop()
    poster.close()
  })
}
