import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { Busboy, type BusboyHeaders, type BusboyInstance } from '@fastify/busboy'
import { codeOf, MediaError } from '../media/errors.ts'
import type { Log } from '../media/log.ts'
import type { MediaRecord } from '../media/record.ts'
import { chunksOf } from './chunks.ts'
import { feed } from './feed.ts'
import type { Keyed } from './idempotency.ts'
import type { Intake, Received } from './intake.ts'
import { checkTitle } from './names.ts'
import { checkProfile } from './profile-name.ts'

export interface FormDoor {
  /**
   * Makes a media of a `multipart/form-data` body with `title`, `file` and perhaps `profile`, in any order; other fields are passed over.
   * What is refused leaves no bytes, and the rest of `body` unread and paused: the caller drains or closes it.
   * @throws MediaError `malformed_request`, `upload_interrupted`, `too_many_files`, `title_missing`, `invalid_request`
   * (a title that is none), `unknown_profile`, `file_missing`, and what `Intake` throws.
   */
  receive(form: Form): Promise<MediaRecord>
}

export interface Form {
  headers: IncomingHttpHeaders
  body: Readable
  user_id: string
  /** Of a request with an `Idempotency-Key`. */
  keyed?: Keyed | undefined
  signal: AbortSignal
}

/** Bytes of a form that are not its file. */
const formOverhead = 1024 * 1024

const limits = { fields: 100, parts: 200, fieldSize: 64 * 1024, headerPairs: 50, headerSize: 16 * 1024 }

/** @param given.profiles that may be named, `default` first */
export function openFormDoor(given: {
  intake: Intake
  formLimit: number
  profiles?: readonly string[]
  log: Log
}): FormDoor {
  const { intake, formLimit, profiles } = given
  return {
    receive: async ({ headers, body, user_id, keyed, signal }) => {
      const refusal = new AbortController()
      const ends = AbortSignal.any([signal, refusal.signal])
      const parser = openParser(headers)
      const take = (source: Readable, filename: string) =>
        intake.receive({
          user_id,
          filename: unescaped(filename),
          source: chunksOf(source),
          keyed: keyed !== undefined,
          limit: formLimit,
          signal: ends,
        })
      const form = collect(parser, { take, profiles, refuse: (error) => refusal.abort(error) })
      try {
        await feed({ body, parser, limit: formLimit + formOverhead, signal: ends })
        const received = await form.file()
        const title = form.title()
        signal.throwIfAborted()
        return await intake.accept(received, { title, profile: form.profile(), keyed })
      } catch (error) {
        refusal.abort(error)
        await form.discard()
        throw explained(error, formLimit)
      }
    },
  }
}

/** @throws MediaError `malformed_request` */
function openParser(headers: IncomingHttpHeaders): BusboyInstance {
  const contentType = headers['content-type'] ?? ''
  try {
    if (!/^multipart\/form-data\s*;/i.test(contentType)) throw new Error(`not a form: ${contentType.slice(0, 100)}`)
    // `file` is a file though it has no name, `title` a field though it has one: clients differ.
    const isPartAFile = (field: string | undefined, _type: string | undefined, filename: string | undefined) =>
      field === 'file' || (filename !== undefined && field !== 'title' && field !== 'profile')
    return new Busboy({ headers: headers as BusboyHeaders, limits, isPartAFile, highWaterMark: 256 * 1024 })
  } catch (cause) {
    throw new MediaError('malformed_request', 'the body is no form that can be read', {
      cause,
      detail: 'Send the upload as multipart/form-data, with its boundary in the Content-Type.',
    })
  }
}

/** Listens to the parser; the first thing that is wrong goes to `refuse`, once and for all. */
function collect(
  parser: BusboyInstance,
  given: {
    take: (source: Readable, filename: string) => Promise<Received>
    profiles: readonly string[] | undefined
    refuse: (error: unknown) => void
  },
) {
  const { take, profiles, refuse } = given
  let title: string | null = null
  let profile: string | null = null
  let receiving: Promise<Received> | null = null

  function onField(name: string, value: string): void {
    try {
      if (name === 'title') title ??= checkTitle(value)
      if (name === 'profile') profile ??= checkProfile(value, profiles)
    } catch (error) {
      refuse(error)
    }
  }
  function onFile(name: string, source: Readable, filename: string | undefined): void {
    source.on('error', () => {}) // the parser tells of it too
    if (receiving) return refuse(new MediaError('too_many_files', 'a second file in a form'))
    // A browser sends an empty part for a file input that was left empty.
    if (name !== 'file' && !filename) return void source.resume()
    if (name !== 'file') return refuse(wrongField())
    receiving = take(source, filename ?? '')
    receiving.catch(refuse)
  }
  parser.on('field', onField)
  parser.on('file', onFile)
  for (const event of ['fieldsLimit', 'partsLimit'] as const) {
    parser.on(event, () => refuse(tooManyFields()))
  }
  return {
    file: async (): Promise<Received> => {
      if (!receiving) throw new MediaError('file_missing', 'a form without a file')
      return await receiving
    },
    title: (): string => {
      if (title === null) throw new MediaError('title_missing', 'a form without a title')
      return title
    },
    profile: (): string | null => profile,
    discard: async (): Promise<void> => {
      await receiving?.then(
        (received) => received.discard(),
        () => {},
      )
    },
  }
}

function tooManyFields(): MediaError {
  const detail = `A form may have ${limits.fields} fields; "title" and "file" are enough.`
  return new MediaError('malformed_request', 'more fields than a form may have', { detail })
}

function wrongField(): MediaError {
  return new MediaError('file_missing', 'a file under another name', {
    detail: 'The form holds a file, but not in the field "file".',
  })
}

/** Browsers escape what would end the name: https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data */
function unescaped(filename: string): string {
  return filename.replace(/%22/g, '"').replace(/%0[AD]/gi, '')
}

function explained(error: unknown, formLimit: number): unknown {
  if (codeOf(error) !== 'too_large') return error
  return new MediaError('too_large', 'the form passed its limit', {
    cause: error,
    detail: `A form takes files of up to ${formLimit} bytes. Send larger ones through POST /api/media/upload/init.`,
  })
}
