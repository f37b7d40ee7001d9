import { destination, type Logger, pino, stdSerializers, stdTimeFunctions } from 'pino'
import type { Closers } from '../closing.ts'
import type { Config } from '../config.ts'
import type { Chance, Clock } from '../media/clock.ts'
import type { Tracer } from '../media/trace.ts'
import type { Sandbox } from '../processing/tools/sandbox.ts'

export const roles = ['all', 'serve', 'worker', 'edge'] as const
export type Role = (typeof roles)[number]

/** What every step is given. */
export interface Site {
  role: Role
  config: Config
  clock: Clock
  chance: Chance
  log: Logger
  closers: Closers
  /** Absent where nothing is traced. */
  tracer?: Tracer
  /** What keeps tools apart on this machine; found out when first asked for. */
  sandbox: () => Promise<Sandbox>
  /** Where the API is reached, without a slash at the end; with PORT=0 known only once it listens. */
  publicUrl: () => string
  /** Tells where it listens. */
  listensAt: (address: string) => void
  /** Told when the service can no longer keep its promises and the process should end. */
  onFatal: (error: Error) => void
}

/** JSON lines on standard error. */
export function openLog(level: Config['service']['logLevel']): Logger {
  const serializers = { error: stdSerializers.err }
  return pino(
    { level, base: null, serializers, timestamp: stdTimeFunctions.isoTime },
    destination({ dest: 2, sync: true }),
  )
}

/** Opened when first asked for. */
export function once<T>(open: () => T): () => T {
  let opened: { value: T } | undefined
  return () => {
    opened ??= { value: open() }
    return opened.value
  }
}
