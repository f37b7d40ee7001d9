import type { FastifySchemaCompiler } from 'fastify'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'

/**
 * Checks a part of a request against its schema. In addresses everything is text, so whole numbers are read there,
 * exactly: `1.5`, `1e3`, ` 1` and an empty value are none.
 */
export const compileValidator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const validator = Compile(schema)
  const numbers = httpPart === 'body' ? [] : integersOf(schema)
  return (given: unknown) => {
    const value = withNumbers(given, numbers)
    return validator.Check(value) ? { value } : { error: validator.Errors(value) }
  }
}

function integersOf(schema: TSchema): string[] {
  const { properties = {} } = schema as { properties?: Record<string, { type?: unknown }> }
  return Object.keys(properties).filter((name) => properties[name]?.type === 'integer')
}

function withNumbers(given: unknown, names: string[]): unknown {
  if (names.length === 0) return given
  const value = { ...(given as Record<string, unknown>) }
  for (const name of names) {
    const text = value[name]
    if (typeof text === 'string' && /^-?\d{1,15}$/.test(text)) value[name] = Number(text)
  }
  return value
}
