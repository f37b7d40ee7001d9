import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { systemChance } from '../media/clock.ts'
import { type ErrorCode, MediaError } from '../media/errors.ts'
import { type Job, newJob } from '../media/jobs.ts'
import { type EventDraft, type MediaEvent, type MediaRecord, newRecord } from '../media/record.ts'
import type { ListQuery, Metadata } from './port.ts'

/** What the suite in `conformance.ts` speaks of. */

export type Given = () => Metadata

export function someUser(): string {
  return `user-${systemChance.uuid()}`
}

export function someTime(seconds: number): string {
  return `2026-01-01T00:${String(Math.floor(seconds / 60)).padStart(2, '0')}:${String(seconds % 60).padStart(2, '0')}.000Z`
}

export function someRecord(fields: Partial<MediaRecord> = {}): MediaRecord {
  return newRecord({
    media_id: systemChance.uuid(),
    user_id: someUser(),
    title: 'A title',
    media_type: 'video',
    upload_time: someTime(0),
    status: 'uploaded',
    ...fields,
  })
}

export function someRendition(name: string) {
  const numbers = { file_size: 1, width: 2, height: 3, bitrate: null, duration: null }
  return { name, s3_url: `s3://p/${name}`, content_type: 'image/jpeg', etag: 'e', ...numbers }
}

export async function create(metadata: Metadata, record: MediaRecord, events: EventDraft[] = []) {
  return await metadata.commit({ media_id: record.media_id, expect: { absent: true }, create: record, events })
}

export async function created(metadata: Metadata, fields: Partial<MediaRecord> = {}): Promise<MediaRecord> {
  return (await create(metadata, someRecord(fields))).record
}

export async function createdAt(metadata: Metadata, user_id: string, time: number, fields: Partial<MediaRecord> = {}) {
  return (await created(metadata, { user_id, upload_time: someTime(time), ...fields })).media_id
}

export async function createdWithJob(metadata: Metadata, fields: Partial<Job> = {}) {
  const record = someRecord()
  const { media_id, user_id } = record
  const job: Job = { ...newJob({ media_id, user_id, kind: 'process', lane: 'tasks', now: 1 }), ...fields }
  await metadata.commit({ media_id, expect: { absent: true }, create: record, jobs: [{ create: job }] })
  return { record, media_id, job }
}

export async function createdWithEvents(metadata: Metadata, count: number) {
  const record = await created(metadata)
  for (const seq of numbers(1, count)) {
    const events: EventDraft[] = [{ type: 'media.updated', at: someTime(seq), data: { seq } }]
    await metadata.commit({ media_id: record.media_id, expect: {}, events })
  }
  return { media_id: record.media_id, count }
}

export async function listIds(metadata: Metadata, query: ListQuery): Promise<string[]> {
  const page = await metadata.list(query)
  return [...page.items.map(({ media_id }) => media_id), ...(await listRest(metadata, query, page.next_cursor))]
}

export async function listRest(metadata: Metadata, query: ListQuery, cursor: string | null): Promise<string[]> {
  return cursor === null ? [] : await listIds(metadata, { ...query, cursor })
}

export async function readWholeLog(metadata: Metadata, from: string | null, limit: number): Promise<MediaEvent[]> {
  const all: MediaEvent[] = []
  for (let cursor = from; ; ) {
    const page = await metadata.readLog(cursor, limit)
    assert.ok(page.events.length <= limit)
    if (page.events.length === 0) return all
    all.push(...page.events)
    cursor = page.cursor
  }
}

export async function logEnd(metadata: Metadata): Promise<string | null> {
  for (let cursor: string | null = null; ; ) {
    const page: { events: MediaEvent[]; cursor: string | null } = await metadata.readLog(cursor, 1_000)
    if (page.events.length === 0) return cursor
    cursor = page.cursor
  }
}

export const foreignCursors = [
  '',
  'x',
  'bnVsbA',
  'W10',
  'WzFd!',
  '%%%',
  'WyJhIl0',
  'Wy0xXQ',
  'eyJhIjoxfQ',
  '\u0000',
  'W251bGwsbnVsbF0',
]

export function code(expected: ErrorCode) {
  return (error: unknown) => error instanceof MediaError && error.code === expected
}

export function seqs(events: readonly MediaEvent[]): number[] {
  return events.map(({ seq }) => seq)
}

export function bySeq(left: MediaEvent, right: MediaEvent): number {
  return left.seq - right.seq
}

export function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index)
}

/** A commit that met another is tried again; a driver may say `conflict` even to one without a condition. */
export async function retried<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt()
    } catch (error) {
      if (!code('conflict')(error) || tries === 500) throw error
    }
  }
}

/** `list`, `readLog` and what operators read may lag: until the check passes, or at last its own error. */
export async function eventually(check: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await check()
    } catch (error) {
      if (tries === 200) throw error
      await pause(50)
    }
  }
}
