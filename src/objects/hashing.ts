import type { createHash, Hash } from 'node:crypto'
import { type MessagePort, Worker } from 'node:worker_threads'
import type { Bytes } from './buffers.ts'

/**
 * MD5 off the main thread. Buffers are shared, not copied: the disk and the hash read the same bytes at the same time.
 * MD5 because an S3 ETag is one; it protects nothing here.
 */
export interface Hashing {
  /** A new hash on the least busy thread. */
  begin(): StreamHash
  close(): Promise<void>
}

export interface StreamHash {
  /** Resolves when the bytes, which are shared memory, have been read; until then they must not change. */
  update(bytes: Bytes): Promise<void>
  /** Lower-case hexadecimal, of what came so far. */
  peek(): Promise<string>
  /** Lower-case hexadecimal. Ends the hash. */
  digest(): Promise<string>
  /** Ends the hash without a result. */
  drop(): void
}

type Request = { stream: number; bytes?: Bytes; end?: 'digest' | 'drop'; peek?: true }
type Reply = string | null

const threadLimit = 2

/** At most two threads, started when first needed. */
export function openHashing(): Hashing {
  const threads: HashThread[] = []
  let streams = 0

  function leastBusy(): HashThread {
    const dead = threads.findIndex((thread) => thread.ended())
    if (dead >= 0) threads.splice(dead, 1)
    const idle = threads.find((thread) => thread.load === 0)
    if (idle) return idle
    if (threads.length < threadLimit) threads.push(startThread())
    return threads.reduce((a, b) => (b.load < a.load ? b : a))
  }

  return {
    begin: () => {
      const thread = leastBusy()
      const stream = ++streams
      thread.load++
      return {
        update: async (bytes) => {
          await thread.ask({ stream, bytes })
        },
        peek: async () => (await thread.ask({ stream, peek: true })) ?? '',
        digest: async () => {
          thread.load--
          return (await thread.ask({ stream, end: 'digest' })) ?? ''
        },
        drop: () => {
          thread.load--
          thread.ask({ stream, end: 'drop' }).catch(() => {})
        },
      }
    },
    close: async () => {
      await Promise.all(threads.splice(0).map((thread) => thread.stop()))
    },
  }
}

interface HashThread {
  /** Hashes not ended. */
  load: number
  ask(request: Request): Promise<Reply>
  ended(): boolean
  stop(): Promise<void>
}

function startThread(): HashThread {
  const worker = new Worker(program, {
    eval: true,
    // It holds hashes and no bytes of its own.
    resourceLimits: { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 32 },
  })
  // The thread answers in the order of the questions.
  const waiting: { resolve: (reply: Reply) => void; reject: (error: Error) => void }[] = []
  let failure: Error | null = null

  function fail(error: Error): void {
    failure ??= error
    for (const one of waiting.splice(0)) one.reject(error)
  }
  worker.on('message', (reply: Reply) => {
    waiting.shift()?.resolve(reply)
    if (waiting.length === 0) worker.unref()
  })
  worker.on('error', fail)
  worker.on('exit', () => fail(new Error('the hash thread has ended')))
  worker.unref()

  return {
    load: 0,
    ask: (request) =>
      new Promise((resolve, reject) => {
        if (failure) return reject(failure)
        waiting.push({ resolve, reject })
        worker.ref()
        worker.postMessage(request)
      }),
    ended: () => failure !== null,
    stop: async () => {
      await worker.terminate()
    },
  }
}

/** The thread's side: stands alone, for its text is all that the thread is given. */
function serve(port: MessagePort, create: typeof createHash): void {
  const hashes = new Map<number, Hash>()
  port.on('message', ({ stream, bytes, end, peek }: Request) => {
    const hash = hashes.get(stream) ?? create('md5')
    hashes.set(stream, hash)
    if (bytes) hash.update(bytes)
    if (end) hashes.delete(stream)
    if (peek) port.postMessage(hash.copy().digest('hex'))
    else port.postMessage(end === 'digest' ? hash.digest('hex') : null)
  })
}

// As text and not as a file: a thread that loads TypeScript takes 10 MB more.
const program = `(${serve})(require('node:worker_threads').parentPort, require('node:crypto').createHash)`
