import swagger from '@fastify/swagger'
import type { App } from './deps.ts'
import { isIdentityConfigured } from './identity.ts'
import type { HttpSettings } from './settings.ts'

const description = `Upload media, watch them being processed, download them by signed addresses.

Every refusal is \`application/problem+json\` with a stable \`code\`; [the codes](/docs/errors).`

/** Collects what the routes say of themselves; to be registered before them. */
export async function collectOpenApi(app: App, settings: HttpSettings, publicUrl: () => string): Promise<() => object> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Media Service', version: '1.0.0', description, license: { name: 'MIT', identifier: 'MIT' } },
      tags: [
        { name: 'uploads', description: 'Doors that take media in.' },
        { name: 'media', description: 'Records, and the way to the bytes.' },
        { name: 'operations', description: 'For operators: tokens with the scope `operator`.' },
        { name: 'health', description: 'For balancers and process keepers.' },
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
  document.components = { ...document.components, schemas }
  return document
}

/** Replaces each schema that the contract gives a title by a reference to one definition of it. */
function nameSchemas(value: unknown, named: Record<string, unknown>): unknown {
  if (Array.isArray(value)) return value.map((one) => nameSchemas(one, named))
  if (typeof value !== 'object' || value === null) return value
  const copy: Json = Object.fromEntries(Object.entries(value).map(([key, one]) => [key, nameSchemas(one, named)]))
  if (typeof copy.title !== 'string' || copy.type !== 'object') return copy
  named[copy.title] = copy
  return { $ref: `#/components/schemas/${copy.title}` }
}
