import { setMaxListeners } from 'node:events'
import { join } from 'node:path'
import type { MediaClient } from '../../client/src/client.ts'
import type { Media } from '../../client/src/contract.ts'
import { MediaServiceError, ServiceUnreachable } from '../../client/src/errors.ts'
import { fileSource, folderResumeStore } from '../../client/src/node.ts'
import type { Board } from '../board.ts'
import { eachOf, follow } from '../follow.ts'
import { statusText } from '../records.ts'
import type { FileToSend } from './files.ts'
import type { Journal } from './journal.ts'

/** Files whose processing is followed at once: each holds a connection. */
const watchedAtOnce = 16

export interface Result {
  file: FileToSend
  media: Media | null
  /** Why it failed, here or at the service. */
  error: unknown
  /** It was uploaded by a run before. */
  again: boolean
}

export interface Run {
  client: MediaClient
  files: readonly FileToSend[]
  title: string | undefined
  profile: string | undefined
  parallel: number
  watch: boolean
  journal: Journal
  stateFolder: string
  board: Board
  signal: AbortSignal
  onSent: (bytes: number) => void
  onResult: (result: Result) => void
}

/**
 * Sends all files, some at a time; one that is refused leaves the others alone.
 * @throws ServiceUnreachable when the service has been away for too long; the signal's reason
 */
export async function sendAll(given: Run): Promise<void> {
  const stop = new AbortController()
  const signal = AbortSignal.any([given.signal, stop.signal])
  setMaxListeners(0, signal)
  const run = { ...given, signal }
  const gate = openGate(watchedAtOnce)
  const watching: Promise<void>[] = []
  const result = (given: Omit<Result, 'error'> & { error?: unknown }) => run.onResult({ error: null, ...given })
  try {
    await eachOf(run.files, run.parallel, async (file) => {
      try {
        const sent = await sendOne(run, file)
        if (!run.watch) return result({ file, ...sent })
        const watched = gate(async () => result({ file, ...sent, ...(await watchOne(run, file, sent.media)) }))
        // Looked at once all are sent; until then nobody has missed it.
        watched.catch(() => {})
        watching.push(watched)
      } catch (error) {
        if (error instanceof ServiceUnreachable || isRefused(error)) stop.abort(error)
        signal.throwIfAborted()
        result({ file, media: null, error, again: false })
      }
    })
  } finally {
    await Promise.allSettled(watching)
  }
  await Promise.all(watching)
}

/** Not about this file: the next one fares no better. */
function isRefused(error: unknown): boolean {
  return error instanceof MediaServiceError && ([401, 403].includes(error.status) || error.code === 'unknown_profile')
}

async function sendOne(run: Run, file: FileToSend): Promise<{ media: Media; again: boolean }> {
  const { client, journal, signal } = run
  const known = await journal.media_idOf(file)
  if (known !== undefined) {
    const media = await client.get(known, { signal }).catch(whenGone)
    if (media) {
      run.onSent(file.size)
      return { media, again: true }
    }
    await journal.forget(file)
  }
  const media = await transfer(run, file)
  await journal.done(file, media.media_id)
  return { media, again: false }
}

function whenGone(error: unknown): null {
  if (error instanceof MediaServiceError && error.status === 404) return null
  throw error
}

async function transfer({ client, journal, board, ...run }: Run, file: FileToSend): Promise<Media> {
  const bar = board.bar(file.path, file.size)
  let told = 0
  const tell = (bytes: number) => {
    run.onSent(bytes - told)
    told = bytes
    bar.update(bytes)
  }
  const options = {
    title: run.title ?? file.title,
    filename: file.filename,
    profile: run.profile,
    signal: run.signal,
    resume: folderResumeStore(join(run.stateFolder, 'uploads')),
    onProgress: ({ sent_bytes }: { sent_bytes: number }) => tell(sent_bytes),
  }
  try {
    const source = await fileSource(file.absolute)
    const media = await withKey(
      journal,
      file,
      async (idempotencyKey) => await client.upload(source, { ...options, idempotencyKey }),
    )
    tell(file.size)
    return media
  } finally {
    bar.end()
  }
}

/** A key under which the media was deleted since, or another file was sent, is dropped for a new one. */
async function withKey<T>(journal: Journal, file: FileToSend, send: (key: string) => Promise<T>): Promise<T> {
  try {
    return await send(await journal.keyOf(file))
  } catch (error) {
    const spent = ['wrong_state', 'idempotency_mismatch']
    if (!(error instanceof MediaServiceError && spent.includes(error.code))) throw error
    await journal.forget(file)
    return await send(await journal.keyOf(file))
  }
}

async function watchOne({ client, board, signal }: Run, file: FileToSend, media: Media) {
  const bar = board.bar(file.path, 100)
  try {
    const onChange = (now: Media) => bar.update(now.progress, statusText(now))
    const last = await follow(client, media.media_id, { signal, onChange })
    return { media: last, error: last.status === 'processed' ? null : last.error }
  } catch (error) {
    if (signal.aborted) throw signal.reason
    return { media, error }
  } finally {
    bar.end()
  }
}

/** Lets so many run at once; the others wait in order. */
function openGate(atOnce: number) {
  let running = 0
  const waiting: (() => void)[] = []
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= atOnce) await new Promise<void>((resolve) => waiting.push(resolve))
    else running++
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else running--
    }
  }
}
