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
    if (validator.Check(value)) return { value }
    return {
      error: validator.Errors(value).map((error) => ({ ...error, example: exampleAt(schema, error.instancePath) })),
    }
  }
}

/** What the schema shows as an example of the value at a path. */
function exampleAt(schema: TSchema, path: string): unknown {
  let at: unknown = schema
  for (const name of path.split('/').slice(1)) {
    const { properties = {}, items } = (at ?? {}) as { properties?: Record<string, unknown>; items?: unknown }
    at = properties[name] ?? items
  }
  return (at as { examples?: unknown[] } | undefined)?.examples?.[0]
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
