import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { App, ManualFiles } from '../deps.ts'

/** What the service is and how it is used, for programs that read: `/llms.txt` (https://llmstxt.org), and the pages it links. */
export function manualRoutes(app: App, { folder, index, pages }: ManualFiles): void {
  const headers = (type: string) => ({ 'content-type': `text/${type}; charset=utf-8`, 'cache-control': 'no-cache' })
  app.get(`/${index}`, { schema: { hide: true } }, async (_request, reply) => {
    return await reply.headers(headers('plain')).send(await readFile(join(folder, index)))
  })
  for (const page of pages) {
    app.get(`/${page}`, { schema: { hide: true } }, async (_request, reply) => {
      return await reply.headers(headers('markdown')).send(await readFile(join(folder, page)))
    })
  }
}
