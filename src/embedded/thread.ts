import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { type Engine, type Failure, failureOf, openEngine, type Reply, type Request } from './engine.ts'

/** The entry point of the store's thread; `store.ts` starts it. */

export type ToThread = { requests: Request[] } | { close: true }
export type FromThread = { opened: true } | { refused: Failure } | { replies: Reply[] }

/** A commit takes in what is there, up to this: nobody waits long behind a crowd. */
const batchLimit = 512

function serve(port: MessagePort, engine: Engine): void {
  port.on('message', (first: ToThread) => {
    const batch: Request[] = []
    let message: ToThread | undefined = first
    let closing = false
    while (message) {
      if ('requests' in message) batch.push(...message.requests)
      else closing = true
      if (closing || batch.length >= batchLimit) break
      message = receiveMessageOnPort(port)?.message as ToThread | undefined
    }
    if (batch.length > 0) port.postMessage({ replies: engine.run(batch) } satisfies FromThread)
    if (closing) {
      engine.close()
      port.close()
    }
  })
}

function start(port: MessagePort, path: string): void {
  try {
    const engine = openEngine(path)
    serve(port, engine)
    port.postMessage({ opened: true } satisfies FromThread)
  } catch (error) {
    port.postMessage({ refused: failureOf(error) } satisfies FromThread)
  }
}

if (parentPort && workerData?.storePath) start(parentPort, workerData.storePath)
