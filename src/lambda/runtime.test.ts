import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'

/** Lambda's side of the Runtime API: events are handed out one at a time, the answers are kept. */
async function openLambda(events: { id: string; body: string; limitMs: number }[]) {
  const answers: { path: string; body: unknown }[] = []
  const waiting = [...events]
  const server = createServer(async (request, reply) => {
    const path = (request.url ?? '').replace('/2018-06-01/runtime', '')
    if (path === '/invocation/next') {
      const event = waiting.shift()
      // As Lambda: it answers when there is something to do.
      if (!event) return void server.emit('done')
      const deadline = Date.now() + event.limitMs
      reply.setHeader('lambda-runtime-aws-request-id', event.id)
      reply.setHeader('lambda-runtime-deadline-ms', String(deadline))
      reply.setHeader('lambda-runtime-invoked-function-arn', 'arn:aws:lambda:eu-central-1:1:function:work')
      return void reply.end(event.body)
    }
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    answers.push({ path, body: JSON.parse(Buffer.concat(chunks).toString()) })
    reply.statusCode = 202
    reply.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { api: `127.0.0.1:${(server.address() as AddressInfo).port}`, answers, done: once(server, 'done'), server }
}

describe('the runtime of our own image', () => {
  const running: ChildProcess[] = []
  let folder: string | undefined
  after(async () => {
    for (const child of running) child.kill('SIGKILL')
    if (folder !== undefined) await rm(folder, { recursive: true })
  })

  async function start(api: string, source: string): Promise<ChildProcess> {
    folder ??= await mkdtemp(join(tmpdir(), 'media-lambda-'))
    const module = join(folder, `handler-${running.length}.mjs`)
    await writeFile(module, source)
    const runtime = [join(import.meta.dirname, 'runtime.ts'), module]
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...runtime], {
      env: { AWS_LAMBDA_RUNTIME_API: api },
      stdio: 'ignore',
    })
    running.push(child)
    return child
  }

  test('answers each event in turn, with what the handler says or throws', async () => {
    const lambda = await openLambda([
      { id: 'a', body: '{"n":1}', limitMs: 60_000 },
      { id: 'b', body: '{"fail":true}', limitMs: 60_000 },
      { id: 'c', body: '{}', limitMs: 5_000 },
    ])
    await start(
      lambda.api,
      `export async function handler(event, context) {
        if (event.fail) throw new TypeError('not this one')
        if (event.n) return { n: event.n + 1, id: context.awsRequestId }
        return { left: context.getRemainingTimeInMillis() }
      }`,
    )
    await lambda.done
    const [first, second, third] = lambda.answers
    assert.deepEqual(first, { path: '/invocation/a/response', body: { n: 2, id: 'a' } })
    assert.equal(second?.path, '/invocation/b/error')
    const { errorType, errorMessage } = second?.body as Record<string, string>
    assert.deepEqual([errorType, errorMessage], ['TypeError', 'not this one'])
    assert.equal(third?.path, '/invocation/c/response')
    const { left = 0 } = third?.body as { left?: number }
    assert.ok(left > 0 && left <= 5_000)
    lambda.server.closeAllConnections()
    lambda.server.close()
  })

  test('says why it cannot start, and ends', async () => {
    const lambda = await openLambda([])
    const child = await start(lambda.api, 'export const other = 1')
    const [code] = await once(child, 'exit')
    assert.equal(code, 1)
    assert.equal(lambda.answers[0]?.path, '/init/error')
    assert.match((lambda.answers[0]?.body as { errorMessage: string }).errorMessage, /exports no handler/)
    lambda.server.close()
  })
})
