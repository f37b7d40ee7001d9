import { createHash } from 'node:crypto'
import { fastify } from 'fastify'
import type { App } from '../deps.ts'

/** The OpenAPI document, and a page to read it that asks nothing of the internet. */
export function docsRoutes(app: App, openApi: () => object): void {
  app.get('/openapi.json', { schema: { hide: true } }, async () => openApi())
  app.get('/docs', { schema: { hide: true } }, async (_request, reply) => reply.redirect('/docs/', 302))

  let pages: Promise<Pages> | undefined
  const serve = async (path: string) => {
    // 4 MB of page: not before somebody reads it, and not in every process.
    pages ??= openPages()
    return await (await pages)(path)
  }
  app.get('/docs/', { schema: { hide: true } }, async (_request, reply) => {
    // Without one browsers ask for `/favicon.ico`; this is the console's.
    const html = (await serve('/docs/')).replace('</head>', '<link rel="icon" href="/icon.svg"></head>')
    const type = 'text/html; charset=utf-8'
    return await reply.headers({ 'content-type': type, 'content-security-policy': policyOf(html) }).send(html)
  })
  app.get('/docs/js/scalar.js', { schema: { hide: true } }, async (_request, reply) => {
    const script = await serve('/docs/js/scalar.js')
    const type = 'text/javascript; charset=utf-8'
    return await reply.headers({ 'content-type': type, 'cache-control': 'private, max-age=3600' }).send(script)
  })
}

type Pages = (path: string) => Promise<string>

async function openPages(): Promise<Pages> {
  const { default: scalar } = await import('@scalar/fastify-api-reference')
  const inner = fastify()
  await inner.register(scalar, {
    routePrefix: '/docs',
    configuration: {
      pageTitle: 'Media Service API',
      url: '/openapi.json',
      withDefaultFonts: false,
      // What would call the vendor's servers, or sell them.
      ...{ telemetry: false, agent: { disabled: true }, mcp: { disabled: true } },
      ...{ showDeveloperTools: 'never' as const, hideClientButton: true },
    },
  })
  return async (path) => (await inner.inject(path)).body
}

/** The page's own script by its hash; nothing from anywhere else. */
function policyOf(html: string): string {
  const inline = [...html.matchAll(/<script(?![^>]*\bsrc=)[^>]*>([\s\S]*?)<\/script>/g)]
  const hashes = inline.map(([, script = '']) => `'sha256-${createHash('sha256').update(script).digest('base64')}'`)
  return [
    "default-src 'none'",
    `script-src 'self' ${hashes.join(' ')}`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self' data:",
    "connect-src 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ')
}
