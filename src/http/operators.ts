import type { FastifyRequest } from 'fastify'
import { MediaError } from '../media/errors.ts'

/** @throws MediaError `not_operator` */
export async function demandOperator({ caller, routeOptions }: FastifyRequest): Promise<void> {
  if (!caller.operator) throw new MediaError('not_operator', `${caller.user_id} asked for ${routeOptions.url}`)
}
