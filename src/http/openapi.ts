import swagger from '@fastify/swagger'
import { examples, uploaded } from '../../contract/examples.ts'
import { type ErrorCode, MediaError } from '../media/errors.ts'
import type { App } from './deps.ts'
import { problemOf, requestCodes } from './errors.ts'
import { isIdentityConfigured } from './identity.ts'
import type { HttpSettings } from './settings.ts'

const description = `Upload media, watch them being processed, download them by signed addresses.

Where identity is configured, every request but those to signed addresses has \`Authorization: Bearer …\` with a JSON Web Token or an API key.
Times are ISO 8601 in UTC, sizes are bytes, durations are seconds.

Every refusal is \`application/problem+json\` with a stable \`code\`; [the codes](/docs/errors). 429 and 503 say in \`Retry-After\` when to come again.

Guides for web pages, React, phones and servers: [llms.txt](/llms.txt) lists them.`

/** Collects what the routes say of themselves; to be registered before them. */
export async function collectOpenApi(app: App, settings: HttpSettings, publicUrl: () => string): Promise<() => object> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Media Service', version: '1.0.0', description, license: { name: 'MIT', identifier: 'MIT' } },
      tags: [
        {
          name: 'uploads',
          description: 'A file in one request. `Idempotency-Key` makes it one media however often it is sent.',
        },
        {
          name: 'uploads in parts',
          description:
            'Of any size, in parallel, straight to the store: begin, `PUT` each part at its address, complete.',
        },
        {
          name: 'resumable uploads',
          description: 'tus 1.0, and the IETF’s resumable uploads: one address for both, told apart by their headers.',
        },
        {
          name: 'Uppy',
          description:
            'The paths of Uppy’s companion, for `@uppy/aws-s3` as npm delivers it: it is given `companionEndpoint` and nothing else.',
        },
        { name: 'media', description: 'The records: what there is, what it is called, what becomes of it.' },
        {
          name: 'delivery',
          description: 'Signed addresses, and what lies at them: files, streams, pictures of any size.',
        },
        { name: 'events', description: 'Changes as they happen, as server-sent events, and what happened before.' },
        { name: 'webhooks', description: 'What became of webhooks. For operators.' },
        {
          name: 'operations',
          description: 'Queue, jobs and workers. For operators: tokens with the scope `operator`.',
        },
        { name: 'health', description: 'For balancers, process keepers and Prometheus.' },
      ],
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: 'A JSON Web Token, or an API key.' },
        },
      },
    },
  })
  let document: object | undefined
  return () => {
    document ??= finish(app.swagger(), isIdentityConfigured(settings))
    return { ...document, servers: [{ url: publicUrl() }] }
  }
}

type Json = Record<string, unknown>

/** Names the schemas that have a name, and says which routes ask for identity. */
function finish(collected: object, secured: boolean): object {
  const schemas: Record<string, unknown> = {}
  const document = { ...collected } as Json & { paths: Record<string, Json>; components: Json }
  document.paths = nameSchemas(document.paths, schemas) as typeof document.paths
  if (secured) {
    for (const [path, operations] of Object.entries(document.paths)) {
      if (!/^\/(api|s3)\//.test(path)) continue
      // Some say themselves that the signed address is enough.
      for (const operation of Object.values(operations)) (operation as Json).security ??= [{ bearer: [] }]
    }
  }
  document.paths = signedLast(document.paths)
  for (const { responses } of Object.values(document.paths).flatMap((one) => Object.values(one) as Operation[])) {
    showBeginnings(responses)
    showRefusals(responses)
  }
  document.components = { ...document.components, schemas, examples: Object.fromEntries(requestCodes.map(refusalOf)) }
  return document
}

/** Replaces each schema that the contract gives a title by a reference to one definition of it. */
function nameSchemas(value: unknown, named: Record<string, unknown>): unknown {
  if (Array.isArray(value)) return value.map((one) => nameSchemas(one, named))
  if (typeof value !== 'object' || value === null) return value
  const copy: Json = Object.fromEntries(Object.entries(value).map(([key, one]) => [key, nameSchemas(one, named)]))
  if (typeof copy.title !== 'string' || copy.type !== 'object') return copy
  const { [copy.title]: example } = examples
  named[copy.title] = example === undefined ? copy : { ...copy, examples: [example] }
  return { $ref: `#/components/schemas/${copy.title}` }
}

/** What is asked for comes before what lies at the addresses that are answered. */
function signedLast(paths: Record<string, Json>): Record<string, Json> {
  const isSigned = ([, operations]: [string, Json]) =>
    Object.values(operations).every((one) => (one as Operation).security?.length === 0)
  const all = Object.entries(paths)
  return Object.fromEntries([...all.filter((one) => !isSigned(one)), ...all.filter(isSigned)])
}

/** A media that was just made is not processed yet. */
function showBeginnings(responses: Operation['responses']): void {
  for (const status of ['201', '202']) {
    const content = responses[status]?.content?.['application/json']
    const { $ref } = (content?.schema ?? {}) as { $ref?: string }
    if (content && $ref?.endsWith('/Media')) content.example = uploaded
  }
}

interface Operation {
  security?: object[]
  responses: Record<string, { description?: string; content?: Record<string, Json> }>
}

/** Each code that a response names, as it comes. */
function showRefusals(responses: Operation['responses']): void {
  for (const { description = '', content } of Object.values(responses)) {
    const refusal = content?.['application/problem+json']
    if (!refusal || !description.startsWith('Codes: ')) continue
    const codes = [...description.matchAll(/`(\w+)`/g)].map(([, code = '']) => code)
    refusal.examples = Object.fromEntries(codes.map((code) => [code, { $ref: `#/components/examples/${code}` }]))
  }
}

function refusalOf(code: ErrorCode): [string, Json] {
  const value = problemOf(new MediaError(code, 'an example'), '0b0f5a1c-3f1b-4e0a-9d55-1a3c0f8b7e11')
  return [code, { summary: value.title, value }]
}
