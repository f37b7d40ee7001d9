import { type IncomingMessage, request } from 'node:http'
import { resolve } from 'node:path'
import type { Context } from 'aws-lambda'
import { systemClock } from '../media/clock.ts'

/**
 * Lambda's side of our own image: asks for an event, gives it to the handler, answers, without end. Amazon's runtime for
 * Node wants its own base image, which has no ffmpeg. https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
 */
type Handler = (event: unknown, context: Context) => Promise<unknown>

const version = '/2018-06-01/runtime'

/** @param api host and port, as Lambda says them */
export async function runFunction(api: string, module: string): Promise<never> {
  const handler = await load(module).catch(async (error) => {
    await post(api, '/init/error', describe(error))
    throw error
  })
  for (;;) await invoke(api, handler)
}

async function load(module: string): Promise<Handler> {
  const { handler } = (await import(resolve(module))) as { handler?: Handler }
  if (typeof handler !== 'function') throw new Error(`${module} exports no handler`)
  return handler
}

async function invoke(api: string, handler: Handler): Promise<void> {
  const { headers, body } = await ask(api, '/invocation/next')
  const id = String(headers['lambda-runtime-aws-request-id'])
  const deadline = Number(headers['lambda-runtime-deadline-ms'])
  const trace = headers['lambda-runtime-trace-id']
  if (trace !== undefined) process.env._X_AMZN_TRACE_ID = String(trace)
  const context = {
    awsRequestId: id,
    invokedFunctionArn: String(headers['lambda-runtime-invoked-function-arn']),
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME ?? '',
    getRemainingTimeInMillis: () => deadline - systemClock.now(),
  } as Context
  try {
    const result = await handler(JSON.parse(body), context)
    await post(api, `/invocation/${id}/response`, result ?? null)
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
    await post(api, `/invocation/${id}/error`, describe(error))
  }
}

function describe(error: unknown): object {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error))
  return { errorType: name, errorMessage: message, stackTrace: stack?.split('\n').slice(1) ?? [] }
}

async function post(api: string, path: string, body: unknown): Promise<void> {
  await ask(api, path, JSON.stringify(body))
}

/** Without a time limit: until the next event the process is frozen, for hours perhaps. */
async function ask(
  api: string,
  path: string,
  body?: string,
): Promise<Pick<IncomingMessage, 'headers'> & { body: string }> {
  const reply = await new Promise<IncomingMessage>((resolve, reject) => {
    const method = body === undefined ? 'GET' : 'POST'
    const headers = body === undefined ? {} : { 'content-type': 'application/json' }
    // A connection kept from before the freeze may be gone.
    request(`http://${api}${version}${path}`, { method, headers, agent: false }, resolve).on('error', reject).end(body)
  })
  const chunks: Buffer[] = []
  for await (const chunk of reply) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString('utf8')
  if ((reply.statusCode ?? 0) >= 300) throw new Error(`Lambda answered ${path} with ${reply.statusCode}: ${text}`)
  return { headers: reply.headers, body: text }
}

if (import.meta.main) {
  const [module = ''] = process.argv.slice(2)
  await runFunction(process.env.AWS_LAMBDA_RUNTIME_API ?? '', module)
}
