import type { FastifyReply, FastifyRequest } from 'fastify'
import { codeOf, MediaError } from '../../media/errors.ts'
import type { MediaRecord } from '../../media/record.ts'
import { wholeOf } from '../../uploads/chunks.ts'
import type { Resumable, Standing } from '../../uploads/resumable.ts'
import {
  complete,
  completeSaid,
  draftVersionOf,
  limitsOf,
  offsetSaid,
  sizeSaid,
  wordsOf,
} from '../../uploads/resumable-draft.ts'
import { lengthOf } from '../bodies.ts'
import type { AppDeps } from '../deps.ts'
import { problemOf } from '../errors.ts'
import { answerOnce } from '../idempotency.ts'
import { sendInterim } from '../interim.ts'
import { wireOf } from '../projection.ts'
import { sendProblem } from '../refusals.ts'

/** The IETF's resumable uploads, rule by rule; which draft, and its words, are in `uploads/resumable-draft.ts`. */
export interface DraftDoor {
  create(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply>
  head(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply>
  append(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply>
  cancel(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply>
}

export type DraftDeps = Pick<AppDeps, 'clock' | 'idempotency' | 'library' | 'publicUrl'> & {
  resumable: Resumable
  urlOf: (media_id: string) => string
}

/** Sent when the turn is over: a client that is slow to read its answer, or gone, keeps nobody waiting. */
type Answer = () => Promise<FastifyReply>

/** Milliseconds between two interim answers that tell how far an upload is. */
const progressTime = 5_000
const problemTypes = 'https://iana.org/assignments/http-problem-types'

export function openDraftDoor(deps: DraftDeps): DraftDoor {
  const { resumable, urlOf, clock } = deps
  const { maxBytes } = resumable

  function limitsNow({ details, complete }: Standing): string {
    if (complete) return limitsOf({ maxBytes })
    return limitsOf({ maxBytes, left: Math.max(0, Math.floor((Date.parse(details.expires_at) - clock.now()) / 1_000)) })
  }

  function describe(reply: FastifyReply, standing: Standing): void {
    reply.header('upload-offset', standing.offset).header('upload-limit', limitsNow(standing))
  }

  /** "While the request content is being received, the server MAY send […] 104 […] and the Upload-Offset header field". */
  function tellProgress(request: FastifyRequest, reply: FastifyReply, standing: Standing): () => void {
    const version = draftVersionOf(request.headers)
    const over = new AbortController()
    const tell = async () => {
      for (let told = standing.offset; ; ) {
        await clock.sleep(progressTime, over.signal)
        const held = await resumable.heldBytes(standing)
        if (held > told) interim(reply, { version, 'upload-offset': String(held) })
        told = held
      }
    }
    if (version !== null) tell().catch(() => {})
    return () => over.abort()
  }

  async function receive(
    request: FastifyRequest,
    reply: FastifyReply,
    given: { standing: Standing; turn: AbortSignal },
  ) {
    const { standing, turn } = given
    const stop = tellProgress(request, reply, standing)
    try {
      return await resumable.append(standing, {
        source: wholeOf(request.raw, turn),
        signal: turn,
        last: completeSaid(request.headers),
      })
    } finally {
      stop()
    }
  }

  /** What the door answers when a media is made, however many requests it took. */
  async function sendMedia(reply: FastifyReply, standing: Standing, status: number) {
    const { record } = standing
    describe(reply, standing)
    reply.code(status).header('upload-complete', complete(true)).header('media-id', record.media_id)
    return await sendRecord(deps, reply, record)
  }

  /** "Any response, successful or not, MUST then include the Upload-Complete header field with a false value." */
  async function sendMore(reply: FastifyReply, standing: Standing, status: number) {
    describe(reply, standing)
    reply.code(status).header('upload-complete', complete(false))
    return status === 201 ? await sendRecord(deps, reply, standing.record) : await reply.send()
  }

  async function begin(request: FastifyRequest, reply: FastifyReply): Promise<string> {
    const { headers, caller } = request
    const said = { ...wordsOf(headers, queryOf(request)), file_size: sizeSaid(headers, 0), user_id: caller.user_id }
    const { value } = await answerOnce(
      deps.idempotency,
      { request, reply, route: 'resumable uploads' },
      async (keyed) => await resumable.begin({ ...said, keyed }),
    )
    return value.media_id
  }

  return {
    create: async (request, reply) => {
      const { headers, caller } = request
      const last = completeSaid(headers)
      reply.header('upload-complete', complete(false))
      const media_id = await begin(request, reply)
      const answer = await resumable.inTurn(caller.user_id, media_id, async (turn): Promise<Answer> => {
        const standing = await resumable.standing(caller.user_id, media_id)
        const location = urlOf(media_id)
        reply.header('location', location).header('media-id', media_id)
        if (standing.complete) return () => sendMedia(reply, standing, 201)
        // "it SHOULD announce the upload resource by sending an interim response […] and the Location header field"
        interim(reply, { version: draftVersionOf(headers), location, 'upload-limit': limitsNow(standing) })
        if (standing.offset > 0) return async () => sendMismatch(request, reply, standing, 0)
        const further = await receive(request, reply, { standing, turn })
        return () => (last ? sendMedia(reply, further, 201) : sendMore(reply, further, 201))
      })
      return await answer()
    },

    head: async (request, reply) => {
      const { media_id } = request.params as { media_id: string }
      const { user_id } = request.caller
      const standing = await resumable.inTurn(
        user_id,
        media_id,
        async () => await resumable.standing(user_id, media_id),
      )
      describe(reply, standing)
      if (standing.size !== null) reply.header('upload-length', standing.size)
      if (standing.complete) reply.header('media-id', media_id)
      return await reply.code(204).header('upload-complete', complete(standing.complete)).send()
    },

    append: async (request, reply) => {
      const { headers, caller } = request
      const { media_id } = request.params as { media_id: string }
      reply.header('upload-complete', complete(false))
      checkType(request)
      const last = completeSaid(headers)
      const offset = offsetSaid(headers)
      const answer = await resumable.inTurn(caller.user_id, media_id, async (turn): Promise<Answer> => {
        const standing = await resumable.standing(caller.user_id, media_id)
        if (offset !== standing.offset) return async () => sendMismatch(request, reply, standing, offset)
        if (standing.complete) return () => answerComplete(request, reply, standing)
        const sized = await withSize(standing, sizeSaid(headers, offset))
        const further = await receive(request, reply, { standing: sized, turn })
        return () => (last ? sendMedia(reply, further, 200) : sendMore(reply, further, 204))
      })
      return await answer()
    },

    /** "the server SHOULD deactivate the upload resource and MUST respond with a 204 (No Content) status code" */
    cancel: async (request, reply) => {
      const { media_id } = request.params as { media_id: string }
      const { user_id } = request.caller
      await resumable.inTurn(user_id, media_id, async () => await resumable.abort(user_id, media_id))
      return await reply.code(204).send()
    },
  }

  async function withSize(standing: Standing, size: number | null): Promise<Standing> {
    if (size === null || size === standing.size) return standing
    if (standing.size !== null || size < standing.offset) {
      throw new MediaError('size_mismatch', `${standing.size} bytes, ${standing.offset} held, and now ${size}`, {
        detail: 'The length is not the one that was said before, or less than what is stored.',
      })
    }
    return await resumable.declareSize(standing, size)
  }

  /**
   * "If the upload is already complete […], the server MUST NOT modify the upload resource and MUST reject the request."
   * One that adds nothing is the last one again, whose answer was lost.
   */
  async function answerComplete(request: FastifyRequest, reply: FastifyReply, standing: Standing) {
    const empty = lengthOf(request) === 0 || request.raw.readableEnded
    if (empty && completeSaid(request.headers)) return await sendMedia(reply, standing, 200)
    reply.header('upload-complete', complete(true))
    const error = new MediaError('wrong_state', 'a complete upload', { detail: 'The upload is complete.' })
    return sendProblem(reply, {
      ...problemOf(error, request.id),
      ...{ type: `${problemTypes}#completed-upload`, title: 'upload is already completed', status: 400 },
    })
  }
}

/** As every door answers what it has made; one that was made before has gone on since. */
export async function sendRecord(
  { library, publicUrl }: Pick<AppDeps, 'library' | 'publicUrl'>,
  reply: FastifyReply,
  record: MediaRecord,
): Promise<FastifyReply> {
  const fresh = record.status === 'uploading' || record.status === 'uploaded'
  const view = fresh ? { record, progress: 0 } : await library.get(record.user_id, record.media_id)
  return await reply.send(wireOf(view, publicUrl()))
}

/** "[…] MUST NOT send a 104 […] when the interop version […] is missing or mismatching", and MUST say its own. */
function interim(
  reply: FastifyReply,
  { version, ...headers }: { version: string | null } & Record<string, string | null>,
) {
  if (version === null) return
  sendInterim(reply.raw, { 'upload-draft-interop-version': version, ...(headers as Record<string, string>) })
}

/** "the upload resource MUST reject the request with a 409 […]. The response MUST include the correct offset". */
function sendMismatch(request: FastifyRequest, reply: FastifyReply, { offset }: Standing, provided: number) {
  const error = new MediaError('wrong_offset', `an append at ${provided}, ${offset} bytes are held`)
  reply.header('upload-offset', offset)
  return sendProblem(reply, {
    ...problemOf(error, request.id),
    ...{ type: `${problemTypes}#mismatching-upload-offset`, 'expected-offset': offset, 'provided-offset': provided },
  })
}

/** "by sending a PATCH request with the application/partial-upload media type", which drafts before 04 do not know. */
function checkType({ headers }: FastifyRequest): void {
  const type = headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  if (type === 'application/partial-upload' || draftVersionOf(headers) === '5') return
  throw new MediaError('unsupported_media', `an append as ${type}`, {
    detail: 'The bytes that an upload goes on with are sent as application/partial-upload.',
  })
}

function queryOf({ query }: FastifyRequest): { title?: string; filename?: string; profile?: string } {
  const given = query as Record<string, unknown>
  const words = ['title', 'filename', 'profile'].flatMap((name) =>
    typeof given[name] === 'string' ? [[name, given[name]]] : [],
  )
  return Object.fromEntries(words)
}

/** Refusals of the draft's own types. */
export function problemOfDraft(error: unknown, request_id: string) {
  const problem = problemOf(error, request_id)
  if (codeOf(error) !== 'size_mismatch') return problem
  // "Inconsistent Upload Length Values", named by drafts from 06 on.
  return { ...problem, type: `${problemTypes}#inconsistent-upload-length`, status: 400 }
}
