import type { TSchema } from 'typebox'
import { Type } from 'typebox'
import { Problem } from '../../../contract/problem.ts'
import type { ErrorCode } from '../../media/errors.ts'
import { answers } from '../errors.ts'

/** The refusals a route documents, by status, each naming its codes. */
export function refusals(...codes: ErrorCode[]): Record<number, TSchema> {
  const always: ErrorCode[] = ['foreign_host', 'foreign_origin', 'slow_down', 'unavailable', 'internal']
  const byStatus = new Map<number, ErrorCode[]>()
  for (const code of new Set([...codes, ...always])) {
    const { status } = answers[code]
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  return Object.fromEntries(
    [...byStatus].map(([status, named]) => [
      status,
      describeContent(`Codes: ${named.map((code) => `\`${code}\``).join(', ')}.`, 'application/problem+json', Problem),
    ]),
  )
}

/** A response of another media type than JSON; the shape is what @fastify/swagger reads. */
export function describeContent(description: string, contentType: string | string[], schema: TSchema): TSchema {
  const content = [contentType].flat().map((type) => [type, { schema }])
  return Type.Unsafe({ description, content: Object.fromEntries(content) })
}

/** A response without a body. */
export function empty(description: string): TSchema {
  return Type.Null({ description })
}
