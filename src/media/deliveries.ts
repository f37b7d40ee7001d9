import type { MediaEvent } from './record.ts'

/** `waiting` for its time, or being tried; `delivered`, when the receiver took it; `failed`, when nobody tries any more. */
export const deliveryStates = ['waiting', 'delivered', 'failed'] as const
export type DeliveryState = (typeof deliveryStates)[number]

/** One event on its way to one webhook endpoint. */
export interface Delivery extends Omit<MediaEvent, 'data'> {
  /** `{event_id}.{endpoint_id}`: noting it twice makes one. */
  delivery_id: string
  endpoint_id: string
  state: DeliveryState
  /** Milliseconds since the epoch; not to be tried before. While it is tried, when another may take it over. */
  due_at: number
  /** Fencing token; rises by one with each try and replay. */
  token: number
  /** Tries since it was noted or last replayed. */
  attempts: number
  /** Milliseconds since the epoch; of the first of them. */
  tried_since: number | null
  /** HTTP status of the last answer; null where there was none. */
  last_status: number | null
  /** Why the last try failed. */
  last_error: string | null
  created_at: number
  /** When somebody last had it sent again; null when nobody has. */
  replayed_at: number | null
  /** When it was delivered or given up; null while it waits. */
  ended_at: number | null
  /** When it is forgotten. */
  expires_at: number
}

export function deliveryIdOf(event_id: string, endpoint_id: string): string {
  return `${event_id}.${endpoint_id}`
}

/** The parts of a `delivery_id`; null for what is none. */
export function partsOf(delivery_id: string): Pick<Delivery, 'media_id' | 'seq' | 'endpoint_id'> | null {
  const [, media_id = '', seq, endpoint_id = ''] = /^([^.]+)\.(\d{1,15})\.([^.]+)$/.exec(delivery_id) ?? []
  return seq === undefined ? null : { media_id, seq: Number(seq), endpoint_id }
}
