import { readConfig } from '../config.ts'
import { openWorkerParts, type WorkerParts } from '../wiring.ts'
import type { Doing } from '../worker/run.ts'

/** What a function keeps from one invocation to the next. */
export interface OpenFunction extends Doing {
  stop: WorkerParts['stop']
  /** Absent where nothing is traced. */
  tracer?: WorkerParts['tracer']
}

/**
 * Opens drivers and tools from the environment, once per container.
 * @throws Error naming the settings that Lambda needs otherwise
 */
export async function openFunction(env: Record<string, string | undefined>): Promise<OpenFunction> {
  // The only folder there that can be written.
  const config = readConfig({ ...env, DATA_DIR: env.DATA_DIR || '/tmp/media-service' })
  if (config.processing.sandbox !== 'weak') {
    throw new Error(
      'In Lambda bubblewrap cannot keep tools apart: set SANDBOX=weak, and give the function no rights but those it needs.',
    )
  }
  const parts = await openWorkerParts(config, (error) => {
    throw error
  })
  const { leaseSeconds, maxAttempts } = config.worker
  return { ...parts, leaseMs: leaseSeconds * 1_000, maxAttempts }
}

/** Opened with the first invocation; one that failed is tried again with the next. */
export function openOnce(): () => Promise<OpenFunction> {
  let opened: Promise<OpenFunction> | undefined
  return async () => {
    opened ??= openFunction(process.env)
    try {
      return await opened
    } catch (error) {
      opened = undefined
      throw error
    }
  }
}
