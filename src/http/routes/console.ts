import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { App, ConsoleFiles } from '../deps.ts'
import { acceptsGzip } from './streams.ts'

const types: Record<string, string> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
  webmanifest: 'application/manifest+json',
}

/** Addresses that are pages of the console: the script in it looks at them. */
const pages = ['/', '/media/*', '/operations']

/** The console: one page, its scripts and styles. It calls the API like any other page. */
export function consoleRoutes(app: App, files: ConsoleFiles): void {
  for (const url of pages) {
    app.get(url, { schema: { hide: true } }, async (request, reply) => await sendPage(request, reply, files))
  }
  for (const name of [...files.names].filter((one) => one !== 'index.html' && !one.endsWith('.gz'))) {
    // What is named by its content never changes under its name.
    const lasting = name.startsWith('assets/') ? 'public, max-age=31536000, immutable' : 'public, max-age=3600'
    app.get(`/${name}`, { schema: { hide: true } }, async ({ headers }, reply) => {
      const { fields, bytes } = await readBuilt(files, name, headers['accept-encoding'])
      return await reply.headers({ ...fields, 'cache-control': lasting }).send(bytes)
    })
  }
}

/** Whoever follows a wrong link is told so by the page; programs, and addresses of the API, get the problem. */
export function tellWhoIsLost(app: App, files: ConsoleFiles): void {
  app.addHook('onRequest', async (request, reply) => {
    const { is404, method, headers, url } = request
    if (!is404 || method !== 'GET' || !headers.accept?.includes('text/html')) return
    if (/^\/(api|cdn|store|i)\//.test(url)) return
    return await sendPage(request, reply.code(404), files)
  })
}

async function sendPage({ headers }: FastifyRequest, reply: FastifyReply, files: ConsoleFiles): Promise<FastifyReply> {
  const { fields, bytes } = await readBuilt(files, 'index.html', headers['accept-encoding'])
  return await reply
    .headers({ ...fields, 'cache-control': 'no-cache', 'content-security-policy': policyOf(files) })
    .send(bytes)
}

async function readBuilt({ folder, names }: ConsoleFiles, name: string, encodings: string | undefined) {
  const packed = names.has(`${name}.gz`) && acceptsGzip(encodings)
  const type = types[name.slice(name.lastIndexOf('.') + 1)] ?? 'application/octet-stream'
  const fields = { 'content-type': type, vary: 'Accept-Encoding', ...(packed && { 'content-encoding': 'gzip' }) }
  return { fields, bytes: await readFile(join(folder, packed ? `${name}.gz` : name)) }
}

/** Scripts of ours only, none in the page. Players write their own styles, and feed the browser from memory (`blob:`). */
function policyOf({ stores, cdns }: ConsoleFiles): string {
  const all = (...origins: string[]) => [...new Set(origins)].join(' ')
  return [
    "default-src 'none'",
    "script-src 'self'",
    "worker-src 'self' blob:",
    "style-src 'self' 'unsafe-inline'",
    `img-src ${all("'self'", 'data:', 'blob:', ...cdns)}`,
    `media-src ${all("'self'", 'blob:', 'data:', ...cdns)}`,
    `connect-src ${all("'self'", ...stores, ...cdns)}`,
    "manifest-src 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ')
}
