import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify'
import type { Downloads } from '../delivery/download.ts'
import type { Streams } from '../delivery/streams.ts'
import type { ReadLedger } from '../library/erasure.ts'
import type { Library } from '../library/library.ts'
import type { Operations } from '../library/operations.ts'
import type { Chance, Clock } from '../media/clock.ts'
import type { Log } from '../media/log.ts'
import type { Tracer } from '../media/trace.ts'
import type { DeliveryLog } from '../notices/delivery-log.ts'
import type { Feed } from '../notices/feed.ts'
import type { Live } from '../notices/live.ts'
import type { ObjectStore, PresignedDoor } from '../objects/port.ts'
import type { CompanionDoor } from '../uploads/companion.ts'
import type { DirectDoor } from '../uploads/direct.ts'
import type { FormDoor } from '../uploads/form.ts'
import type { Idempotency } from '../uploads/idempotency.ts'
import type { RawDoor } from '../uploads/raw.ts'
import type { Resumable } from '../uploads/resumable.ts'
import type { Readiness } from './readiness.ts'
import type { HttpSettings } from './settings.ts'
import type { UploadTokens } from './upload-tokens.ts'

/** What the doors stand on; `wiring.ts` hands it over. */
export interface AppDeps {
  settings: HttpSettings
  /** Without a slash at the end; asked at each request, for a free port is known only when listening. */
  publicUrl: () => string
  library: Library
  formDoor: FormDoor
  /** Bytes of the file in a form, at most. */
  formLimit: number
  rawDoor: RawDoor
  idempotency: Idempotency
  resumable: Resumable
  /** Absent when the store signs no addresses. */
  direct?: DirectDoor | undefined
  /** The same for Uppy, in its words. */
  companion?: CompanionDoor | undefined
  uploadTokens: UploadTokens
  /** Takes what comes to the addresses that the store has signed; absent when it has a server of its own. */
  store?: (Pick<ObjectStore, 'putPart'> & Pick<PresignedDoor, 'admitPart'>) | undefined
  downloads: Downloads
  /** Serves playlists and storyboards to who has their signed address. */
  streams?: Streams | undefined
  /** Serves `/i/*` to who has a signed address. */
  images?: EdgeHandler | undefined
  live: Live
  feed: Feed
  /** What became of webhooks. */
  deliveries: DeliveryLog
  operations: Operations
  readLedger: ReadLedger
  /** Of one user, in this process; as many as he likes when not given. */
  requestsPerMinute?: number | null
  /** What readiness asks, by name. */
  readiness: Readiness
  /** The drivers that the settings name, by room. */
  drivers?: Record<string, string>
  /** Figures of this process. */
  metrics?: { text(): Promise<string>; contentType: string }
  /** Follows requests; absent where nothing is traced. */
  tracer?: Tracer
  /** Told of each answer: the route as it is written, its status, and how long it took. */
  onAnswer?: (route: string, status: number, seconds: number) => void
  /** Serves `/cdn/*`; absent when a CDN of its own does. */
  edge?: EdgeHandler | undefined
  /** The page for people at `/`; absent where it was not built. */
  console?: ConsoleFiles | undefined
  manual?: ManualFiles | undefined
  log: Log
  clock: Clock
  chance: Chance
}

/** The pages of the documentation, by their paths below a folder. */
export interface ManualFiles {
  folder: string
  index: string
  pages: readonly string[]
}

/** The built console, and what its pages may reach. */
export interface ConsoleFiles {
  /** `index.html`, `assets/…`; those of text with a `.gz` beside them. */
  folder: string
  /** Paths below the folder. */
  names: ReadonlySet<string>
  /** Origins of the store that takes parts, and of the CDN that delivers, where they are not ours. */
  stores: readonly string[]
  cdns: readonly string[]
}

export type EdgeHandler = (req: IncomingMessage, res: ServerResponse) => void | Promise<void>

export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>
