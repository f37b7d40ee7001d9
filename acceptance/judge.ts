import assert from 'node:assert/strict'
import { Compile } from 'typebox/compile'

/** Asks a target, and holds each answer to what its own /openapi.json promises. */
export interface Judge {
  /** @param init with `enough`, an answer that does not end is read until that is in it */
  ask(method: string, path: string, init?: Omit<RequestInit, 'method'> & { enough?: RegExp }): Promise<Answer>
  /** `GET /api/media 200` for each promise that has been seen kept. */
  seen: ReadonlySet<string>
  /** Successes that a suite is to see kept and has not. */
  unseen(suite: Suite): string[]
}

/** Which suite sees that a success comes as promised. */
export type Suite = 'journey' | 'direct' | 'companion' | 'resumable' | 'stream' | 'webhooks' | 'operations' | 'erasure'

/** A promise that is nobody else's is the journey's. */
function suiteOf(promise: string): Suite {
  if (/ \/(s3|companion)\/| \/api\/media\/upload\/token /.test(promise)) return 'companion'
  if (promise.includes(' /api/media/upload/tus')) return 'resumable'
  if (/\/hls\/|\/storyboard\.vtt/.test(promise)) return 'stream'
  if (/ \/api\/media\/upload\/|^PUT /.test(promise)) return 'direct'
  if (promise.includes(' /api/webhooks/')) return 'webhooks'
  if (promise.includes(' /api/operations/')) return 'operations'
  if (promise.includes('/erasure ')) return 'erasure'
  return 'journey'
}

export interface Answer {
  status: number
  headers: Headers
  text: string
  /** A test knows what it asked for. */
  json: any
}

interface Content {
  schema: object
}
interface Operation {
  responses: Record<string, { content?: Record<string, Content> }>
}
interface Document {
  openapi: string
  paths: Record<string, Record<string, Operation>>
}

export async function openJudge(url: string, headers: Record<string, string> = {}): Promise<Judge> {
  const document = (await (await fetch(`${url}/openapi.json`)).json()) as Document
  assert.match(document.openapi, /^3\.1\./)
  const seen = new Set<string>()
  const promised = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).flatMap(([method, { responses }]) =>
      Object.keys(responses)
        .filter((status) => Number(status) < 400)
        .map((status) => `${method.toUpperCase()} ${path} ${status}`),
    ),
  )
  return {
    seen,
    unseen: (suite) => promised.filter((promise) => suiteOf(promise) === suite && !seen.has(promise)),
    async ask(method, path, { enough, ...init } = {}) {
      const all = { ...headers, ...(init.headers as Record<string, string> | undefined) }
      const response = await fetch(url + path, { redirect: 'manual', ...init, method, headers: all })
      const text = enough ? await readUntil(response, enough) : await response.text()
      const type = response.headers.get('content-type') ?? ''
      // An answer to HEAD names a type and has no body.
      const json = /json/.test(type) && method !== 'HEAD' ? JSON.parse(text) : undefined
      seen.add(check(document, { method, path, status: response.status, type, text, json }))
      return { status: response.status, headers: response.headers, text, json }
    },
  }
}

async function readUntil(response: Response, enough: RegExp): Promise<string> {
  let text = ''
  const decoder = new TextDecoder()
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true })
    if (enough.test(text)) break
  }
  return text
}

interface Given {
  method: string
  path: string
  status: number
  type: string
  text: string
  json: unknown
}

/** @returns the promise that was kept. */
function check(document: Document, { method, path, status, type, text, json }: Given): string {
  const plain = path.replace(/\?.*/, '')
  const template = Object.keys(document.paths)
    .sort((a, b) => a.split('{').length - b.split('{').length)
    .find((one) => new RegExp(`^${one.replace(/\{[^}]+\}/g, '[^/]+')}$`).test(plain))
  const name = `${method} ${template ?? plain} ${status}`
  const operation = template && document.paths[template]?.[method.toLowerCase()]
  if (!operation) {
    assert.ok(status >= 400 || method === 'OPTIONS', `${name} is not documented`)
    return name
  }
  const promise = operation.responses[status]
  assert.ok(promise, `${name} is not documented: ${text.slice(0, 300)}`)
  const mediaType = type.split(';')[0] ?? ''
  const content = promise.content?.[mediaType]
  if (!promise.content) assert.equal(text, '', `${name} has a body`)
  else assert.ok(content, `${name} is ${mediaType}, not ${Object.keys(promise.content)}`)
  if (content && json !== undefined) {
    const errors = Compile(resolved(content.schema, document) as object).Errors(json)
    assert.deepEqual(errors, [], `${name} is not what it promises: ${text.slice(0, 500)}`)
  }
  return name
}

/** A schema with its references followed: ours are no circles. */
function resolved(schema: unknown, document: Document): unknown {
  if (Array.isArray(schema)) return schema.map((one) => resolved(one, document))
  if (typeof schema !== 'object' || schema === null) return schema
  const { $ref } = schema as { $ref?: string }
  if ($ref === undefined) {
    return Object.fromEntries(Object.entries(schema).map(([key, one]) => [key, resolved(one, document)]))
  }
  const found = $ref
    .split('/')
    .slice(1)
    .reduce((at: any, key) => at?.[key], document)
  assert.ok(found, `${$ref} leads nowhere`)
  return resolved(found, document)
}
