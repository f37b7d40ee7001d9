import { type ResumeStore, storageResumeStore, UploadAborted } from '../../../client/src/index.ts'
import { client, noteError, whose } from '../api/session.ts'
import { note } from '../library/library.ts'
import { createStore } from '../store.ts'
import { explain, titleOf } from '../words.ts'
import type { GivenFile } from './files.ts'
import { change, drop, isSame, type Kept, keep, readKept, reopen } from './keep.ts'
import { openRate, type Rate } from './rate.ts'

/** Uploads under way: two files at a time, each of which can be paused, goes on after a reload, and says how far it is. */

export type UploadState = 'waiting' | 'sending' | 'paused' | 'missing' | 'failed' | 'done'

export interface Upload {
  id: string
  name: string
  size: number
  title: string
  state: UploadState
  /** Bytes that the store has, and those on their way. */
  stored: number
  sent: number
  /** Bytes a second. */
  speed: number
  problem: string | null
  /** Known once the service has begun it. */
  media_id: string | null
}

export interface Uploads {
  list: readonly Upload[]
  open: boolean
}

export const uploads = createStore<Uploads>({ list: [], open: true })

interface Work {
  kept: Kept
  file: File | null
  stop: AbortController | null
  /** Until nothing of it is under way. */
  over: Promise<void>
  rate: Rate
}

const works = new Map<string, Work>()
/** Browsers open six connections to a host; the feed has one, and one must be left for what is clicked. */
const filesAtOnce = 2
const partsAtOnce = 2

export function addFiles(given: readonly GivenFile[]): void {
  const fresh = given.filter((one) => !takeUp(one))
  const added = fresh.map(({ file, handle }): Kept => {
    const { name, type, size, lastModified } = file
    const known = {
      name,
      type,
      size,
      lastModified,
      title: titleOf(name),
      added: Date.now(),
      paused: false,
      media_id: null,
      owner: whose(),
    }
    return { id: newId(), ...known, ...(handle ? { handle } : {}) }
  })
  added.forEach((kept, index) => {
    const { file } = fresh[index] as GivenFile
    works.set(kept.id, { kept, file, stop: null, over: Promise.resolve(), rate: openRate() })
    if (file.size > 0) void keep(kept, file)
  })
  uploads.set({ list: [...uploads.get().list, ...added.map((kept) => rowOf(kept))], open: true })
  for (const { id, size } of added) if (size === 0) fail(id, 'The file is empty.')
  next()
}

/** `crypto.randomUUID` is only there on pages with TLS, and on this machine. */
function newId(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** A file that was asked for, as it is gone on with after a reload. */
function takeUp({ file }: GivenFile): boolean {
  const found = [...works.values()].find((work) => work.file === null && isSame(work.kept, file))
  if (!found) return false
  found.file = file
  set(found.kept.id, { state: 'waiting', problem: null })
  void keep(found.kept, file)
  return true
}

/** What an earlier visit left under way. */
export async function restoreUploads(): Promise<void> {
  for (const kept of await readKept(whose())) {
    if (works.has(kept.id)) continue
    const file = await reopen(kept, { mayAsk: false })
    works.set(kept.id, { kept, file, stop: null, over: Promise.resolve(), rate: openRate() })
    const state = kept.paused ? 'paused' : file ? 'waiting' : 'missing'
    uploads.set({ list: [...uploads.get().list, { ...rowOf(kept), state }] })
  }
  next()
}

function rowOf({ id, name, size, title, media_id }: Kept): Upload {
  return { id, name, size, title, state: 'waiting', stored: 0, sent: 0, speed: 0, problem: null, media_id }
}

function set(id: string, fields: Partial<Upload>): void {
  uploads.set({ list: uploads.get().list.map((one) => (one.id === id ? { ...one, ...fields } : one)) })
}

function next(): void {
  const { list } = uploads.get()
  const free = filesAtOnce - list.filter(({ state }) => state === 'sending').length
  const waiting = list.filter(({ id, state }) => state === 'waiting' && works.get(id)?.file)
  for (const { id } of waiting.slice(0, Math.max(0, free))) {
    const work = works.get(id)
    if (!work) continue
    set(id, { state: 'sending', problem: null })
    // What was paused may still be learning what it is called.
    work.over = work.over.then(() => send(id))
  }
}

async function send(id: string): Promise<void> {
  const work = works.get(id)
  if (!work?.file || uploads.get().list.find((one) => one.id === id)?.state !== 'sending') return
  const stop = new AbortController()
  work.stop = stop
  work.rate = openRate()
  try {
    const media = await client.upload(work.file, {
      title: work.kept.title,
      concurrency: partsAtOnce,
      signal: stop.signal,
      resume: remember(id, work),
      idempotencyKey: id,
      onProgress: ({ stored_bytes, sent_bytes }) => {
        const now = performance.now()
        work.rate.add(sent_bytes, now)
        set(id, { stored: stored_bytes, sent: sent_bytes, speed: work.rate.perSecond(now) })
      },
    })
    set(id, { state: 'done', media_id: media.media_id, stored: work.file.size, sent: work.file.size, speed: 0 })
    note(media)
    works.delete(id)
    await drop(id)
  } catch (error) {
    if (error instanceof UploadAborted) return
    noteError(error)
    fail(id, explain(error))
  } finally {
    if (work.stop === stop) work.stop = null
    next()
  }
}

/** The client's own memory of parts, which says too what the media is called. */
function remember(id: string, work: Work): ResumeStore {
  const inner = storageResumeStore(localStorage)
  const learn = (media_id: string | null | undefined) => {
    if (!media_id || work.kept.media_id === media_id) return
    work.kept = { ...work.kept, media_id }
    set(id, { media_id })
    void change(id, { media_id })
  }
  return {
    ...inner,
    get: async (key) => {
      const value = await inner.get(key)
      learn(value?.media_id)
      return value
    },
    set: (key, value) => {
      learn(value.media_id)
      return inner.set(key, value)
    },
  }
}

function fail(id: string, problem: string): void {
  set(id, { state: 'failed', problem, speed: 0 })
}

export function pause(id: string): void {
  const work = works.get(id)
  const row = uploads.get().list.find((one) => one.id === id)
  if (!work || !row || (row.state !== 'sending' && row.state !== 'waiting')) return
  set(id, { state: 'paused', sent: row.stored, speed: 0 })
  void change(id, { paused: true })
  work.stop?.abort()
}

/** @returns whether the file must be chosen again */
export async function resume(id: string): Promise<boolean> {
  const work = works.get(id)
  if (!work) return false
  work.file ??= await reopen(work.kept, { mayAsk: true })
  void change(id, { paused: false })
  if (!work.file) {
    set(id, { state: 'missing' })
    return true
  }
  set(id, { state: 'waiting', problem: null })
  next()
  return false
}

/** Ends it, and removes what of it is stored. */
export async function cancel(id: string): Promise<void> {
  const work = works.get(id)
  uploads.set({ list: uploads.get().list.filter((one) => one.id !== id) })
  works.delete(id)
  work?.stop?.abort()
  await drop(id)
  // Until then it may not be known what it is called.
  await work?.over
  const media_id = work?.kept.media_id
  if (media_id) await client.remove(media_id).catch(noteError)
  next()
}

/** What is over: what failed goes too, with what the store has of it. */
export function clearFinished(): void {
  for (const { id, state } of uploads.get().list) if (state === 'failed') void cancel(id)
  uploads.set({ list: uploads.get().list.filter(({ state }) => state !== 'done') })
}

/** For who signs out: what is under way ends, and nothing of it stays here. */
export async function endUploads(): Promise<void> {
  const ids = [...works.keys()]
  leaveUploads()
  await Promise.all(ids.map(drop))
}

/** For whose sign-in has ended: what is under way stops, and goes on when they are back. */
export function leaveUploads(): void {
  for (const { stop } of works.values()) stop?.abort()
  works.clear()
  uploads.set({ list: [] })
}

export interface Totals {
  active: number
  done: number
  failed: number
  sent: number
  size: number
  speed: number
}

export function totalsOf(list: readonly Upload[]): Totals {
  const count = (...states: UploadState[]) => list.filter(({ state }) => states.includes(state)).length
  const under = list.filter(({ state }) => state !== 'failed')
  return {
    active: count('waiting', 'sending', 'paused', 'missing'),
    done: count('done'),
    failed: count('failed'),
    sent: under.reduce((sum, { sent }) => sum + sent, 0),
    size: under.reduce((sum, { size }) => sum + size, 0),
    speed: list.reduce((sum, { speed }) => sum + speed, 0),
  }
}
