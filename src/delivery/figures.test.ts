import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import { request } from 'undici'
import { openEdgeFigures } from './figures.ts'
import { finish } from './reply.ts'
import type { Reply, Request } from './stream.ts'

/** A body in two pieces, then one whole: 10 bytes each. */
function answer(asked: Request, reply: Reply): void {
  if (asked.url === '/pieces') {
    ;(reply as { write(chunk: Buffer): boolean }).write(Buffer.alloc(7))
    return finish(reply, Buffer.alloc(3))
  }
  finish(reply, Buffer.alloc(10))
}

describe('figures of an edge', () => {
  for (const version of [1, 2]) {
    test(`count each byte once over HTTP/${version}`, async () => {
      const figures = openEdgeFigures({})
      const handle = (asked: Request, reply: Reply) => {
        figures.count(asked, reply)
        answer(asked, reply)
      }
      const server = version === 1 ? createServer(handle) : createHttp2Server(handle)
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      try {
        for (const path of ['/pieces', '/whole']) {
          if (version === 1) await (await request(url + path)).body.bytes()
          else await getByHttp2(url, path)
        }
        const text = async () => await figures.text()
        for (let tries = 0; !/requests_total\{status="2xx"\} 2/.test(await text()) && tries < 200; tries++) {
          await new Promise((resolve) => setTimeout(resolve, 5))
        }
        assert.match(await text(), /^media_edge_requests_total\{status="2xx"\} 2$/m)
        assert.match(await text(), /^media_edge_sent_bytes_total 20$/m)
      } finally {
        server.close()
      }
    })
  }
})

async function getByHttp2(url: string, path: string): Promise<void> {
  const session = connect(url)
  const stream = session.request({ ':path': path })
  stream.resume()
  await once(stream, 'close')
  session.close()
}
