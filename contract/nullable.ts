import { type Static, type TSchema, Type } from 'typebox'

/** A value or null; what is said of the value is said of both. */
export function nullable<T extends TSchema>(schema: T) {
  const { description } = schema as { description?: string }
  const about = description === undefined ? {} : { description }
  return Type.Unsafe<Static<T> | null>(Type.Union([schema, Type.Null()], about))
}
