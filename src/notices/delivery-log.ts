import type { Clock } from '../media/clock.ts'
import type { Delivery } from '../media/deliveries.ts'
import { MediaError } from '../media/errors.ts'
import type { DeliveryQuery, Metadata } from '../metadata/port.ts'
import { replayed } from './delivering.ts'

/** What became of webhooks, for operators. */
export interface DeliveryLog {
  list(query: DeliveryQuery): Promise<{ items: Delivery[]; next_cursor: string | null }>
  /** Has it sent again, under the same `webhook-id`. @throws MediaError `not_found` */
  replay(delivery_id: string): Promise<Delivery>
}

const raceLimit = 8

export function openDeliveryLog({
  metadata,
  clock,
}: {
  metadata: Pick<Metadata, 'deliveries'>
  clock: Clock
}): DeliveryLog {
  const { deliveries } = metadata
  return {
    list: (query) => deliveries.list(query),
    replay: async (delivery_id) => {
      for (let tries = 0; tries < raceLimit; tries++) {
        const found = await deliveries.get(delivery_id)
        if (!found) throw new MediaError('not_found', `no delivery ${delivery_id}`)
        const again = replayed(found, clock.now())
        if (await deliveries.replace(again, found.token)) return again
      }
      throw new MediaError('conflict', `${delivery_id} kept changing`)
    },
  }
}
