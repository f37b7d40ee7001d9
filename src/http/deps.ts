import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify'
import type { Downloads } from '../delivery/download.ts'
import type { Library } from '../library/library.ts'
import type { Chance, Clock } from '../media/clock.ts'
import type { Log } from '../media/log.ts'
import type { Live } from '../notices/live.ts'
import type { FormDoor } from '../uploads/form.ts'
import type { HttpSettings } from './settings.ts'

/** What the doors stand on; `wiring.ts` hands it over. */
export interface AppDeps {
  settings: HttpSettings
  /** Without a slash at the end; asked at each request, for a free port is known only when listening. */
  publicUrl: () => string
  library: Library
  formDoor: FormDoor
  /** Bytes of the file in a form, at most. */
  formLimit: number
  downloads: Downloads
  live: Live
  /** What readiness asks, by name. */
  readiness: Record<string, () => Promise<void>>
  /** Serves `/cdn/*`; absent when a CDN of its own does. */
  edge?: EdgeHandler | undefined
  log: Log
  clock: Clock
  chance: Chance
}

export type EdgeHandler = (req: IncomingMessage, res: ServerResponse) => void | Promise<void>

export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>
