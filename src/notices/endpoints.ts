import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { EventType } from '../media/record.ts'
import type { NoticesSettings } from './settings.ts'

/** Events that webhooks tell of. */
export const webhookTypes = ['media.uploaded', 'media.processed', 'media.failed', 'media.deleted'] as const
export type WebhookType = (typeof webhookTypes)[number]

/** Who is told. */
export interface Endpoint {
  id: string
  url: URL
  /** Keys of HMAC; each of them signs. */
  secrets: readonly Buffer[]
  events: readonly EventType[]
  disabled: boolean
}

const EndpointSchema = Type.Object(
  {
    id: Type.Optional(Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,39}$' })),
    url: Type.String({ maxLength: 2_000 }),
    secrets: Type.Array(Type.String({ pattern: '^whsec_[A-Za-z0-9+/]+={0,2}$' }), { minItems: 1, maxItems: 5 }),
    events: Type.Optional(Type.Array(Type.Enum([...webhookTypes]), { minItems: 1 })),
    disabled: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
)
const endpoints = Compile(Type.Array(EndpointSchema, { maxItems: 50 }))

/**
 * The endpoints that `WEBHOOKS_FILE` names; none without it.
 * @throws Error saying what is wrong where, never showing a secret
 */
export async function readEndpoints(
  settings: Pick<NoticesSettings, 'webhooksFile' | 'webhooksAllowInternal'>,
): Promise<Endpoint[]> {
  const { webhooksFile: path, webhooksAllowInternal } = settings
  if (path === undefined) return []
  const fail = (what: string, cause?: unknown): never => {
    throw new Error(`WEBHOOKS_FILE ${path}: ${what}. See docs/webhooks.md.`, { cause })
  }
  const text = await readFile(path, 'utf8').catch((error) => fail('it cannot be read', error))
  const found = parse(text) ?? fail('it is no JSON')
  const [wrong] = endpoints.Errors(found)
  if (wrong) fail(`${wrong.instancePath || 'the whole'} ${wrong.message}`)
  const all = (found as Static<typeof EndpointSchema>[]).map(
    (given, index) =>
      endpointOf(given, webhooksAllowInternal) ?? fail(`/${index}/url ${urlRule(webhooksAllowInternal)}`),
  )
  for (const [index, { id, secrets }] of all.entries()) {
    if (all.findIndex((other) => other.id === id) !== index) fail(`/${index} has the id of another: "${id}"`)
    // As Standard Webhooks demands.
    if (secrets.some(({ length }) => length < 24 || length > 64)) {
      fail(`/${index}/secrets must be of 24 to 64 bytes; to make one: echo "whsec_$(openssl rand -base64 32)"`)
    }
  }
  return all
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // What is wrong with it may be shown with a piece of a secret.
    return null
  }
}

function endpointOf({ id, url, ...given }: Static<typeof EndpointSchema>, mayBeInternal: boolean): Endpoint | null {
  const parsed = URL.canParse(url) ? new URL(url) : null
  if (!parsed || parsed.username !== '' || parsed.password !== '') return null
  if (parsed.protocol !== 'https:' && !(parsed.protocol === 'http:' && mayBeInternal)) return null
  return {
    id: id ?? createHash('sha256').update(parsed.href).digest('hex').slice(0, 12),
    url: parsed,
    secrets: given.secrets.map((secret) => Buffer.from(secret.slice('whsec_'.length), 'base64')),
    events: given.events ?? webhookTypes,
    disabled: given.disabled ?? false,
  }
}

function urlRule(mayBeInternal: boolean): string {
  return mayBeInternal
    ? 'must be an http(s):// address without a name and password'
    : 'must be an https:// address without a name and password; http:// is for receivers of your own, with WEBHOOKS_ALLOW_INTERNAL=true'
}

/** Tells whether an endpoint that wants no more is still the same. */
export function fingerprintOf({ url }: Endpoint): string {
  return createHash('sha256').update(url.href).digest('base64url').slice(0, 16)
}
