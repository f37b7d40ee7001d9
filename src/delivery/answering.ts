import { type Answer, writeHead } from './reply.ts'
import type { Reply, Request, Source } from './stream.ts'

/** What both edges answer with: it never rejects, and what `deliver` throws goes to `refuse`. */
export function answering(
  deliver: (request: Request, reply: Reply) => Promise<void>,
  refuse: (reply: Reply, error: unknown) => void,
): (request: Request, reply: Reply) => Promise<void> {
  return async (request, reply) => {
    // A reader that breaks off is nothing to report.
    reply.on('error', () => {})
    try {
      await deliver(request, reply)
    } catch (error) {
      refuse(reply, error)
    }
  }
}

/** Sends what was opened, to its end, and closes it however that goes. */
export async function sendSource(reply: Reply, { status, headers }: Answer, source: Source): Promise<void> {
  try {
    writeHead(reply, status, headers)
    await source.send(reply)
    reply.end()
  } finally {
    await source.close()
  }
}
