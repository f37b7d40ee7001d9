import { createStore, useStore } from '../store.ts'
import { IconButton } from './button.tsx'

/** What has just happened, for some seconds. */

interface Toast {
  id: number
  text: string
  bad: boolean
}

const toasts = createStore<{ list: Toast[] }>({ list: [] })
let last = 0
const shownFor = 6_000

export function say(text: string, { bad = false } = {}): void {
  last += 1
  const id = last
  toasts.set({ list: [...toasts.get().list.slice(-2), { id, text, bad }] })
  setTimeout(() => hide(id), shownFor)
}

function hide(id: number): void {
  toasts.set({ list: toasts.get().list.filter((one) => one.id !== id) })
}

export function Toasts() {
  const list = useStore(toasts, (value) => value.list)
  return (
    <div className="toasts" role="status" aria-live="polite">
      {list.map(({ id, text, bad }) => (
        <div key={id} className={`toast ${bad ? 'bad' : ''}`}>
          <span>{text}</span>
          <IconButton icon="close" label="Dismiss" onClick={() => hide(id)} />
        </div>
      ))}
    </div>
  )
}
