import { Download, DownloadQuery } from '../../../contract/download.ts'
import { MediaParams } from '../../../contract/media.ts'
import type { App, AppDeps } from '../deps.ts'
import { empty, refusals } from './schemas.ts'

/** The way to the bytes: a signed address, as a redirect or as JSON. */
export function downloadRoutes(app: App, { downloads }: Pick<AppDeps, 'downloads'>): void {
  app.get(
    '/api/media/download/:media_id',
    {
      config: { cookies: true },
      schema: {
        tags: ['delivery'],
        operationId: 'downloadMedia',
        summary: 'Download a rendition',
        description:
          'Redirects to a signed address; with `Accept: application/json` it is told instead. `rendition=hls` gives that of a playlist, whose every address plays without a header.',
        params: MediaParams,
        querystring: DownloadQuery,
        response: {
          200: Download,
          302: empty('`Location` is the signed address.'),
          ...refusals(
            'unauthenticated',
            'not_found',
            'rendition_not_found',
            'not_ready',
            'wrong_state',
            'cookies_unavailable',
            'invalid_request',
          ),
        },
      },
    },
    async ({ caller, params, query, headers, host }, reply) => {
      const { cookies: wanted, ...wishes } = query
      const asked = { user_id: caller.user_id, media_id: params.media_id, ...wishes }
      const { cookies, ...download } = await downloads.download(
        wanted === 'true' ? { ...asked, cookies: { host } } : asked,
      )
      if (cookies) reply.header('set-cookie', cookies)
      reply.header('vary', [reply.getHeader('vary'), 'Accept'].filter(Boolean).join(', '))
      if (prefersJson(headers.accept)) return download
      return await reply.redirect(download.url, 302)
    },
  )
}

/** Whether JSON is asked for by name, and not less than a page: players and browsers say anything will do. */
export function prefersJson(accept: string | undefined): boolean {
  const wish = (type: string) => {
    const range = (accept ?? '').split(',').find((one) => one.split(';', 1)[0]?.trim().toLowerCase() === type)
    return range === undefined ? 0 : Number(/;\s*q=([\d.]+)/i.exec(range)?.[1] ?? 1)
  }
  const json = wish('application/json')
  return json > 0 && json >= wish('text/html')
}
