import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { Compile } from 'typebox/compile'
import { examples } from '../../contract/examples.ts'
import { startTarget } from '../target.ts'

/** What a reader of the reference finds at every route, and in every schema. */

interface Schema {
  description?: string
  $ref?: string
  const?: unknown
  properties?: Record<string, Schema>
  items?: Schema
  anyOf?: Schema[]
  additionalProperties?: boolean | Schema
  examples?: unknown[]
}
interface Operation {
  summary?: string
  description?: string
  tags?: string[]
  operationId?: string
  parameters?: { name: string; description?: string; schema: Schema }[]
  responses: Record<
    string,
    { description?: string; content?: Record<string, { schema: Schema; examples?: object; example?: unknown }> }
  >
}

describe('/openapi.json', () => {
  let operations: [string, Operation][]
  let schemas: [string, Schema][]
  let document: { tags: { name: string; description?: string }[]; components: { examples: Record<string, unknown> } }
  before(async () => {
    const target = await startTarget()
    const found = await (await fetch(`${target.url}/openapi.json`)).json()
    await target.stop()
    operations = Object.entries<Record<string, Operation>>(found.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, one]): [string, Operation] => [`${method.toUpperCase()} ${path}`, one]),
    )
    schemas = Object.entries<Schema>(found.components.schemas)
    document = found
  })

  test('every route has a group, a summary, a description and a name of its own', () => {
    const groups = new Set(document.tags.map(({ name }) => name))
    const poor = operations.filter(
      ([, { summary, description, tags = [] }]) =>
        !summary || !description || tags.length !== 1 || !groups.has(tags[0] ?? ''),
    )
    assert.deepEqual(
      poor.map(([name]) => name),
      [],
    )
    const summaries = operations.map(([, { summary }]) => summary)
    assert.equal(new Set(summaries).size, summaries.length)
    assert.equal(new Set(operations.map(([, { operationId }]) => operationId)).size, operations.length)
    assert.ok(
      document.tags.every(
        ({ name, description }) => description && operations.some(([, { tags }]) => tags?.[0] === name),
      ),
    )
  })

  test('every parameter, and every field of every schema, has words', () => {
    const mute = operations.flatMap(([name, { parameters = [] }]) =>
      parameters
        .filter(({ description, schema }) => !(description ?? schema.description))
        .map((one) => `${name} ${one.name}`),
    )
    assert.deepEqual([...mute, ...schemas.flatMap(([title, schema]) => muteBelow(schema, title))], [])
  })

  test('every schema has an example that it takes, and every example a schema', () => {
    const titles = schemas.map(([title]) => title)
    assert.deepEqual(
      Object.keys(examples).filter((title) => !titles.includes(title)),
      [],
    )
    for (const [title, schema] of schemas) {
      const [example] = schema.examples ?? []
      assert.ok(example !== undefined, `${title} has no example`)
      const errors = [...Compile(resolved(schema) as never).Errors(example)]
      assert.deepEqual(errors, [], title)
    }
  })

  test('an upload is answered with a media that is not processed yet', () => {
    const [, { responses } = assert.fail()] = operations.find(([name]) => name === 'POST /api/media/upload') ?? []
    const { example } = responses['201']?.content?.['application/json'] ?? assert.fail()
    const [, media = assert.fail()] = schemas.find(([title]) => title === 'Media') ?? []
    assert.deepEqual([...Compile(resolved(media) as never).Errors(example)], [])
    assert.equal((example as { status: string }).status, 'uploaded')
  })

  test('every refusal names its codes, each with an example', () => {
    for (const [name, { responses }] of operations) {
      for (const [status, { description = '', content }] of Object.entries(responses)) {
        const codes = description.startsWith('Codes: ')
          ? [...description.matchAll(/`(\w+)`/g)].map(([, code]) => code)
          : []
        const shown = Object.keys(content?.['application/problem+json']?.examples ?? {})
        assert.deepEqual(shown, codes, `${name} ${status}`)
        assert.ok(Number(status) < 400 || codes.length > 0 || name === 'GET /readyz', `${name} ${status}`)
        for (const code of shown) {
          const { value } = document.components.examples[code] as { value: { status: number; code: string } }
          assert.deepEqual([value.code, value.status], [code, Number(status)])
        }
      }
    }
  })

  function muteBelow(schema: Schema, path: string): string[] {
    const { properties = {}, items, anyOf = [] } = schema
    const own = Object.entries(properties).flatMap(([name, one]) => [
      ...(one.description || one.$ref ? [] : [`${path}.${name}`]),
      ...muteBelow(one, `${path}.${name}`),
    ])
    return [...own, ...(items ? muteBelow(items, `${path}[]`) : []), ...anyOf.flatMap((one) => muteBelow(one, path))]
  }

  /** With the schemas that it refers to in their places. */
  function resolved(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(resolved)
    if (typeof value !== 'object' || value === null) return value
    const { $ref } = value as Schema
    const [, named] = schemas.find(([title]) => $ref === `#/components/schemas/${title}`) ?? []
    if (named) return resolved(named)
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, resolved(one)]))
  }
})
