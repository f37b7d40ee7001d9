import type { Context } from 'aws-lambda'
import { codeOf } from '../media/errors.ts'
import type { OpenFunction } from './open.ts'

/** One invocation: a span where jobs are traced, and all spans sent before it ends, for then the process is frozen. */
export async function asInvocation<T>(
  { tracer }: Pick<OpenFunction, 'tracer'>,
  { functionName, awsRequestId }: Pick<Context, 'functionName' | 'awsRequestId'>,
  work: () => Promise<T>,
): Promise<T> {
  if (!tracer) return await work()
  const attributes = { 'faas.name': functionName, 'faas.invocation_id': awsRequestId }
  const span = tracer.begin('invocation', { kind: 'consumer', attributes })
  try {
    const done = await work()
    span.end()
    return done
  } catch (error) {
    span.end({ failed: codeOf(error) })
    throw error
  } finally {
    await tracer.flush()
  }
}
