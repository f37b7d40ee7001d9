import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

/** AWS has no CloudFront to start: this server speaks its API of 2020-05-31 as it is documented. */

export interface Asked {
  /** Method and path. */
  line: string
  headers: Record<string, string | string[] | undefined>
  body: string
}

export type Answer = [status: number, xml: string]

const xmlns = 'xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"'
const batchOf = (body: string) => /<Paths>.*<\/CallerReference>|<CallerReference>.*<\/Paths>/s.exec(body)?.[0] ?? ''

const accepted = (body: string): Answer => [
  201,
  `<?xml version="1.0"?>\n<Invalidation ${xmlns}><Id>I2J0I21PCUYOIK</Id><Status>InProgress</Status>` +
    `<CreateTime>2026-01-01T00:00:00.000Z</CreateTime><InvalidationBatch>${batchOf(body)}</InvalidationBatch></Invalidation>`,
]

/** As CloudFront refuses. */
export function refused(status: number, code: string, message: string): Answer {
  const error = `<Error><Type>${status < 500 ? 'Sender' : 'Receiver'}</Type><Code>${code}</Code><Message>${message}</Message></Error>`
  return [
    status,
    `<?xml version="1.0"?>\n<ErrorResponse ${xmlns}>${error}<RequestId>2f4e0f0e</RequestId></ErrorResponse>`,
  ]
}

export async function startCloudFront() {
  const asked: Asked[] = []
  /** What is answered first; then all is accepted. */
  const answers: Answer[] = []
  const server = createServer(async (request, reply) => {
    const body = await text(request)
    asked.push({ line: `${request.method} ${request.url}`, headers: request.headers, body })
    const [status, xml] = answers.shift() ?? accepted(body)
    reply.writeHead(status, { 'content-type': 'text/xml', 'x-amzn-requestid': '2f4e0f0e' }).end(xml)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const close = async () => {
    server.closeAllConnections()
    await once(server.close(), 'close')
  }
  return { asked, answers, url: `http://127.0.0.1:${port}`, close }
}
