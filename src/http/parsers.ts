import { MediaError } from '../media/errors.ts'
import type { App } from './deps.ts'

/** Bodies are JSON, or nothing: many clients name a type for a body they do not send. */
export function takeJson(app: App): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined)
    else parse(request, body as string, done)
  })
  app.addContentTypeParser('*', ({ headers }, _body, done) => {
    if (headers['content-length'] === '0') done(null, undefined)
    else
      done(
        new MediaError('unsupported_media', 'a body of another type', {
          detail: 'This address takes application/json.',
        }),
      )
  })
}
