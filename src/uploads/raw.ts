import type { Readable } from 'node:stream'
import { codeOf, MediaError } from '../media/errors.ts'
import type { MediaRecord } from '../media/record.ts'
import { wholeOf } from './chunks.ts'
import type { Keyed } from './idempotency.ts'
import type { Intake } from './intake.ts'
import { checkTitle, displayName } from './names.ts'
import { checkProfile } from './profile-name.ts'

/** The body is the file. */
export interface RawDoor {
  /** Bytes that a file may have. */
  maxBytes: number
  /**
   * Looks at what is known before the body.
   * @throws MediaError `too_large`, `title_missing`, `invalid_request` for a title that is none, `unknown_profile`.
   */
  check(said: RawWords & { length: number | null }): void
  /** Makes a media of the body. @throws MediaError as `check` and `Intake` do, `upload_interrupted` when the body stops short. */
  receive(given: RawUpload): Promise<MediaRecord>
}

export interface RawWords {
  /** The filename without its ending, when not given. */
  title?: string | undefined
  filename?: string | undefined
  /** The default when not given. */
  profile?: string | undefined
}

export interface RawUpload extends RawWords {
  body: Readable
  user_id: string
  /** Of a request with an `Idempotency-Key`. */
  keyed?: Keyed | undefined
  signal: AbortSignal
}

/** @param given.profiles that may be named, `default` first */
export function openRawDoor(given: { intake: Intake; maxBytes: number; profiles?: readonly string[] }): RawDoor {
  const { intake, maxBytes, profiles } = given
  return {
    maxBytes,
    check: ({ length, ...words }) => {
      titleOf(words)
      checkProfile(words.profile, profiles)
      if (length !== null && length > maxBytes) throw tooLarge(maxBytes, `declared ${length} bytes`)
    },
    receive: async ({ body, user_id, keyed, signal, ...words }) => {
      const title = titleOf(words)
      const profile = checkProfile(words.profile, profiles)
      const filename = words.filename ?? null
      const source = wholeOf(body)
      const received = await intake
        .receive({ user_id, filename, source, keyed: keyed !== undefined, limit: maxBytes, signal })
        .catch((error) => {
          throw codeOf(error) === 'too_large' ? tooLarge(maxBytes, 'a body over the limit') : error
        })
      try {
        signal.throwIfAborted()
        return await intake.accept(received, { title, profile, keyed })
      } catch (error) {
        await received.discard()
        throw error
      }
    },
  }
}

/**
 * The title as given, or the name that the file has.
 * @throws MediaError `title_missing` when there is neither, `invalid_request`
 */
export function titleOf({ title, filename }: RawWords): string {
  if (title !== undefined) return checkTitle(title)
  const name = displayName(filename)
  if (name !== null) return checkTitle(name.replace(/(?<=.)\.[^.\s]{1,10}$/, ''))
  throw new MediaError('title_missing', 'neither title nor filename', {
    detail: 'Say the title in the address: ?title=…, or the name of the file: ?filename=….',
  })
}

function tooLarge(maxBytes: number, message: string): MediaError {
  return new MediaError('too_large', message, { detail: `A file may have ${maxBytes} bytes here.` })
}
