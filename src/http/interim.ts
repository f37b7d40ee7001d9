import type { ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'

/**
 * Sends `104 (Upload Resumption Supported)` before the answer, where it can be sent: Node has no method of its own for
 * interim answers but its few. Nothing when it cannot be: "The interim response […] SHOULD".
 */
export function sendInterim(raw: ServerResponse, headers: Record<string, string>): void {
  if (raw.headersSent || raw.writableEnded || raw.destroyed) return
  if (raw.req.httpVersionMajor === 2) {
    const { stream } = raw as unknown as Http2ServerResponse
    if (stream && !stream.closed && !stream.destroyed && !stream.headersSent)
      stream.additionalHeaders({ ':status': 104, ...headers })
    return
  }
  // Without a socket, answers to earlier requests on the same connection are still under way.
  if (raw.req.httpVersion !== '1.1' || !raw.socket?.writable) return
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  raw.socket.write(`HTTP/1.1 104 Upload Resumption Supported\r\n${lines.join('')}\r\n`, 'latin1')
}
