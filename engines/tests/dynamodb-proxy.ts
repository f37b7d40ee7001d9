import { request as ask, createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

/** What becomes of a request: its answer is lost, it is lost itself, or it is answered here. */
export type Fate = 'pass' | 'lose answer' | 'lose request' | 'throttle' | 'in conflict' | 'fail' | 'find nothing'

export interface Asked {
  /** `TransactWriteItems`… */
  operation: string
  body: any
}

export interface Proxy {
  endpoint: string
  /** Decides on each request; it may change the body, which no server here checks against the signature. */
  decide: (asked: Asked) => Fate
  close(): Promise<void>
}

/** Stands before a DynamoDB and does what networks and servers do. */
export async function openProxy(endpoint: string): Promise<Proxy> {
  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const proxy: Proxy = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    decide: () => 'pass',
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = JSON.parse((await buffer(request)).toString())
    const operation = String(request.headers['x-amz-target']).split('.')[1] ?? ''
    const fate = proxy.decide({ operation, body })
    if (fate === 'lose request') return void request.socket.destroy()
    const own = answerOf(fate, body)
    if (own) return reply(response, own.status, JSON.stringify(own.body))
    const { status, text } = await forward(endpoint, request, JSON.stringify(body))
    if (fate === 'lose answer') return void request.socket.destroy()
    reply(response, status, text)
  }
  return proxy
}

function reply(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' }).end(text)
}

async function forward(endpoint: string, { headers }: IncomingMessage, text: string) {
  const length = Buffer.byteLength(text)
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const given = { method: 'POST', headers: { ...headers, 'content-length': length } }
    ask(endpoint, given, resolve).once('error', reject).end(text)
  })
  return { status: answer.statusCode ?? 500, text: (await buffer(answer)).toString() }
}

function answerOf(fate: Fate, body: any): { status: number; body: object } | null {
  const type = 'com.amazonaws.dynamodb.v20120810'
  switch (fate) {
    case 'throttle':
      return { status: 400, body: { __type: `${type}#ThrottlingException`, message: 'slow down' } }
    case 'fail':
      return { status: 500, body: { __type: `${type}#InternalServerError`, message: 'it was us' } }
    case 'in conflict': {
      const CancellationReasons = body.TransactItems.map(() => ({ Code: 'TransactionConflict' }))
      return {
        status: 400,
        body: { __type: `${type}#TransactionCanceledException`, Message: 'canceled', CancellationReasons },
      }
    }
    case 'find nothing':
      return { status: 200, body: { Items: [], Count: 0, ScannedCount: 0 } }
    default:
      return null
  }
}
