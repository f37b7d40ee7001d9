import { createClient, MediaServiceError } from '../../../client/src/index.ts'
import { createStore } from '../store.ts'

/** Who asks. The token stays in this tab, or on this device when its owner says so. */

const place = 'media-console:token'

export type Session = { state: 'unknown' | 'open' | 'signed-in' | 'signed-out'; reason: string | null }

export const session = createStore<Session>({ state: 'unknown', reason: null })

export function token(): string {
  return sessionStorage.getItem(place) ?? localStorage.getItem(place) ?? ''
}

/** Tells callers apart in what the browser keeps; it proves nothing. */
export function whose(): string {
  const given = token()
  try {
    const claims = JSON.parse(atob(given.split('.')[1]?.replaceAll('-', '+').replaceAll('_', '/') ?? ''))
    return `user ${claims.sub}`
  } catch {
    // An API key stays out of it.
    return given ? `key ${[...given].reduce((sum, one) => (Math.imul(sum, 31) + one.charCodeAt(0)) >>> 0, 7)}` : 'local'
  }
}

export const client = createClient({ baseUrl: '', token })

/** Asks the service for something only callers may have. */
export async function checkSession(): Promise<void> {
  try {
    await client.list({ limit: 1 })
    session.set({ state: token() ? 'signed-in' : 'open', reason: null })
  } catch (error) {
    if (!isUnauthenticated(error)) throw error
    signOut(token() ? error.detail : null)
  }
}

/** @throws what the service says of the token */
export async function signIn(value: string, { keep }: { keep: boolean }): Promise<void> {
  const given = value.trim().replace(/^bearer +/i, '')
  await createClient({ baseUrl: '', token: given }).list({ limit: 1 })
  const storage = keep ? localStorage : sessionStorage
  storage.setItem(place, given)
  session.set({ state: 'signed-in', reason: null })
}

export function signOut(reason: string | null = null): void {
  sessionStorage.removeItem(place)
  localStorage.removeItem(place)
  session.set({ state: 'signed-out', reason })
}

/** To be told of each error of the API: the one that says who nobody is ends the session. */
export function noteError(error: unknown): void {
  if (isUnauthenticated(error)) signOut(error.detail)
}

function isUnauthenticated(error: unknown): error is MediaServiceError {
  return error instanceof MediaServiceError && error.status === 401
}

/** An address of the API that the client has no words for. @throws MediaServiceError */
export async function ask<T>(path: string, options: { method?: string; signal?: AbortSignal } = {}): Promise<T> {
  const answer = await fetch(path, { ...options, headers: { accept: 'application/json', ...authorization() } })
  const text = await answer.text()
  if (answer.ok) return (answer.headers.get('content-type')?.includes('json') ? JSON.parse(text) : text) as T
  const problem = readProblem(text, answer.status)
  const error = new MediaServiceError(answer.status, problem)
  noteError(error)
  throw error
}

export function authorization(): Record<string, string> {
  return token() ? { authorization: `Bearer ${token()}` } : {}
}

function readProblem(text: string, status: number) {
  try {
    return JSON.parse(text) as { code: string; title: string; detail: string }
  } catch {
    return { code: `http_${status}`, title: `Status ${status}`, detail: 'The request was refused.' }
  }
}
