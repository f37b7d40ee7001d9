import type { App, AppDeps } from '../deps.ts'
import { answers, errorsPage, requestCodes } from '../errors.ts'

const pagePolicy =
  "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

/** What a person sees where there is no console: where to begin. */
export function homeRoutes(app: App, { publicUrl }: Pick<AppDeps, 'publicUrl'>): void {
  app.get('/', { schema: { hide: true } }, async (_request, reply) =>
    reply
      .headers({ 'content-type': 'text/html; charset=utf-8', 'content-security-policy': pagePolicy })
      .send(
        page('Media Service', [
          '<p>Upload a video, a picture or a sound; it is made fit to deliver, and delivered by signed addresses.</p>',
          `<pre>curl -F title=Hello -F file=@clip.mp4 ${escape(publicUrl())}/api/media/upload</pre>`,
          '<p><a href="/docs/">The API</a> · <a href="/openapi.json">OpenAPI</a> · ' +
            `<a href="${errorsPage}">Error codes</a> · <a href="/api/media">Your media</a></p>`,
        ]),
      ),
  )
}

/** What the codes mean. */
export function errorPageRoutes(app: App): void {
  app.get(errorsPage, { schema: { hide: true } }, async (_request, reply) =>
    reply
      .headers({ 'content-type': 'text/html; charset=utf-8', 'content-security-policy': pagePolicy })
      .send(page('Error codes', errorTable())),
  )
}

function errorTable(): string[] {
  const rows = requestCodes.map((code) => {
    const { status, title, detail } = answers[code]
    return `<tr id="${code}"><td><code>${code}</code><td>${status}<td>${escape(title)}<td>${escape(detail)}</tr>`
  })
  return [
    '<p>Every refusal is <code>application/problem+json</code>; its <code>code</code> is one of these and stays.</p>',
    '<table><tr><th>code<th>status<th>title<th>what to do</tr>',
    ...rows,
    '</table>',
  ]
}

function page(title: string, body: string[]): string {
  const style =
    'body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:3rem auto;padding:0 1rem}' +
    'pre{background:#8882;padding:1rem;overflow:auto}td,th{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0}' +
    'tr:target{background:#fd03}:root{color-scheme:light dark}'
  const head = `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><style>${style}</style>`
  return `${head}<h1>${title}</h1>${body.join('\n')}</html>`
}

function escape(text: string): string {
  const named: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  return text.replace(/[&<>"]/g, (one) => named[one] ?? one)
}
