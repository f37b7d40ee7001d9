import { useSyncExternalStore } from 'react'

/** The address is the state: each page, and each filter, can be linked and gone back to. */

export type Route =
  | { page: 'library' }
  | { page: 'media'; media_id: string }
  | { page: 'operations' }
  | { page: 'nowhere' }

const moved = 'console:moved'

export function navigate(to: string, { replace = false } = {}): void {
  if (to === location.pathname + location.search) return
  if (replace) history.replaceState(history.state, '', to)
  else history.pushState(null, '', to)
  dispatchEvent(new Event(moved))
}

function subscribe(listener: () => void): () => void {
  addEventListener('popstate', listener)
  addEventListener(moved, listener)
  return () => {
    removeEventListener('popstate', listener)
    removeEventListener(moved, listener)
  }
}

export function usePath(): string {
  return useSyncExternalStore(subscribe, () => location.pathname)
}

export function useQuery(): string {
  return useSyncExternalStore(subscribe, () => location.search)
}

export function routeOf(path: string): Route {
  const media_id = /^\/media\/([0-9a-f-]{36})$/.exec(path)?.[1]
  if (media_id) return { page: 'media', media_id }
  if (path === '/operations') return { page: 'operations' }
  return { page: path === '/' ? 'library' : 'nowhere' }
}
