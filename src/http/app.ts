import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { type FastifyHttpOptions, fastify } from 'fastify'
import type { Clock } from '../media/clock.ts'
import { logAccess } from './access.ts'
import { closeGently, continueLate } from './bodies.ts'
import type { App, AppDeps } from './deps.ts'
import { demandIdentity, guardEntrance } from './entrance.ts'
import { openIdentity } from './identity.ts'
import { collectOpenApi } from './openapi.ts'
import { takeJson } from './parsers.ts'
import { limitRates } from './rates.ts'
import { answerOtherMethods, refuse, refuseRaw, refuseWithProblems } from './refusals.ts'
import { companionFormRoutes, companionRoutes, companionTokenRoutes } from './routes/companion.ts'
import { consoleRoutes, tellWhoIsLost } from './routes/console.ts'
import { directRoutes } from './routes/direct.ts'
import { docsRoutes } from './routes/docs.ts'
import { downloadRoutes } from './routes/download.ts'
import { edgeRoutes } from './routes/edge.ts'
import { erasureRoutes } from './routes/erasure.ts'
import { eventRoutes } from './routes/events.ts'
import { feedRoutes } from './routes/feed.ts'
import { healthRoutes } from './routes/health.ts'
import { errorPageRoutes, homeRoutes } from './routes/home.ts'
import { imageRoutes } from './routes/images.ts'
import { manualRoutes } from './routes/manual.ts'
import { mediaRoutes } from './routes/media.ts'
import { metricsRoutes } from './routes/metrics.ts'
import { operationsRoutes } from './routes/operations.ts'
import { rawRoutes } from './routes/raw.ts'
import { storeRoutes } from './routes/store.ts'
import { streamRoutes } from './routes/streams.ts'
import { tusRoutes } from './routes/tus.ts'
import { uploadRoutes } from './routes/upload.ts'
import { webhookRoutes } from './routes/webhooks.ts'
import { endSessions } from './sessions.ts'
import { readTls } from './tls.ts'
import { traceRequests } from './tracing.ts'
import { watchUnused } from './unused.ts'
import { compileValidator } from './validation.ts'

export type { App, AppDeps } from './deps.ts'

/** Bytes of a JSON body. */
const bodyLimit = 64 * 1024
/** Milliseconds in which the head of a request must have come. */
const headersTime = 60_000
/** Milliseconds that requests under way have at the stop. */
const lastRequestsTime = 5_000
/** Milliseconds after which a connection on which nothing moves is closed. */
const silenceTime = 120_000
/** Characters of a name in an address: a file's, with each of its bytes escaped. */
const longestName = 3 * 1024

/**
 * The doors, ready to listen. What it was handed stays its giver's to close.
 * @throws Error when certificates or API keys cannot be read.
 */
export async function buildApp(deps: AppDeps): Promise<App> {
  const { settings, log, clock } = deps
  const identify = await openIdentity(settings, clock)
  const app: App = fastify(await optionsOf(deps)).withTypeProvider<TypeBoxTypeProvider>()
  app.setValidatorCompiler(compileValidator)
  takeJson(app)
  // The projection says what goes out, and a test holds it to the contract.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data))
  const endUnused = watchUnused(app.server)
  logAccess(app, log)
  const { onAnswer, tracer } = deps
  if (tracer) traceRequests(app, tracer)
  if (onAnswer) {
    app.addHook('onResponse', async ({ method, routeOptions }, reply) => {
      onAnswer(`${method} ${routeOptions.url ?? 'none'}`, reply.statusCode, reply.elapsedTime / 1_000)
    })
  }
  guardEntrance(app, deps)
  continueLate(app)
  closeGently(app, clock)
  app.addHook('preClose', endUnused)
  if (deps.console) tellWhoIsLost(app, deps.console)
  refuseWithProblems(app, log)
  if (settings.tlsCertFile) endSessions(app, clock)
  const openApi = await collectOpenApi(app, settings, deps.publicUrl)
  const answerOthers = answerOtherMethods(app)
  if (deps.console) consoleRoutes(app, deps.console)
  else homeRoutes(app, deps)
  errorPageRoutes(app)
  healthRoutes(app, deps)
  docsRoutes(app, openApi)
  if (deps.manual) manualRoutes(app, deps.manual)
  if (deps.edge) edgeRoutes(app, deps.edge)
  const { companion, direct, store, metrics, streams, images } = deps
  if (streams) streamRoutes(app, streams)
  if (images) imageRoutes(app, images)
  if (store) await app.register(async (parts: App) => storeRoutes(parts, store))
  await app.register(async (api: App) => {
    demandIdentity(api, identify)
    if (deps.requestsPerMinute) limitRates(api, { perMinute: deps.requestsPerMinute, clock })
    mediaRoutes(api, deps)
    eventRoutes(api, deps)
    downloadRoutes(api, deps)
    if (metrics) metricsRoutes(api, { metrics })
    webhookRoutes(api, deps.deliveries)
    operationsRoutes(api, deps)
    erasureRoutes(api, deps)
    if (direct) directRoutes(api, { ...deps, direct })
    if (companion) companionRoutes(api, { ...deps, companion })
    await api.register(async (uploads: App) => await uploadRoutes(uploads, deps))
    await api.register(async (uploads: App) => rawRoutes(uploads, deps))
    await api.register(async (uploads: App) => tusRoutes(uploads, deps))
  })
  await app.register(async (feed: App) => feedRoutes(feed, deps, identify))
  if (companion) {
    await app.register(async (token: App) => companionTokenRoutes(token, { ...deps, companion }))
    await app.register(async (form: App) => companionFormRoutes(form, { ...deps, companion }))
  }
  answerOthers()
  await app.ready()
  return app
}

/** Takes no more; requests under way may end, and what has not after a while is cut: its bytes are cleared away as ever. */
export async function closeApp(app: App, clock: Clock): Promise<void> {
  const patience = new AbortController()
  const cut = clock.sleep(lastRequestsTime, patience.signal).then(
    () => app.server.closeAllConnections?.(),
    () => {},
  )
  await app.close()
  patience.abort()
  await cut
}

async function optionsOf({ settings, log, chance }: AppDeps): Promise<FastifyHttpOptions<App['server']>> {
  const tls = await readTls(settings)
  const { trustProxy } = settings
  const options = {
    logger: false,
    bodyLimit,
    routerOptions: { maxParamLength: longestName },
    connectionTimeout: silenceTime,
    http: { headersTimeout: headersTime },
    genReqId: () => chance.uuid(),
    requestIdHeader: false as const,
    trustProxy: typeof trustProxy === 'boolean' ? trustProxy : [...trustProxy],
    // Ours answers with a problem.
    return503OnClosing: false,
    frameworkErrors: (thrown, request, reply) => {
      refuse({ thrown, request, reply, log })
    },
    clientErrorHandler: (error, socket) => refuseRaw(error, socket, chance.uuid()),
  } satisfies FastifyHttpOptions<App['server']>
  if (!tls) return options
  // HTTP/2 is told apart in the handshake; its compatible API is the same to every route.
  const secure = { ...options, http2: true, https: { ...tls, allowHTTP1: true, headersTimeout: headersTime } }
  return secure as unknown as FastifyHttpOptions<App['server']>
}
