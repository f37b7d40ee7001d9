import { type Static, type TSchema, Type } from 'typebox'

/** A value or null. */
export function nullable<T extends TSchema>(schema: T) {
  return Type.Unsafe<Static<T> | null>(Type.Union([schema, Type.Null()]))
}
