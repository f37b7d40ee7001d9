import { useEffect, useState } from 'react'
import { useStore } from '../store.ts'
import { Button, IconButton } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { say } from '../ui/toast.tsx'
import { library, removeAll, retryAll, select } from './library.ts'

/** What can be done with all that is chosen. */
export function SelectionBar() {
  const { selected, order, media, cursor } = useStore(library, (value) => value)
  const [asking, setAsking] = useState(false)
  const [busy, setBusy] = useState(false)
  useEffect(() => {
    const escape = (event: KeyboardEvent) => event.key === 'Escape' && !document.querySelector('dialog') && select([])
    addEventListener('keydown', escape)
    return () => removeEventListener('keydown', escape)
  }, [])
  if (selected.size === 0) return null
  const ids = [...selected]
  const failed = ids.filter((one) => media.get(one)?.status === 'failed')

  async function run(work: typeof removeAll, on: readonly string[], done: string): Promise<void> {
    setBusy(true)
    const { failed: left, problem } = await work(on)
    setBusy(false)
    setAsking(false)
    if (problem) say(`${left} of ${on.length} could not be done. ${problem}`, { bad: true })
    else say(done)
    if (!problem) select([])
  }

  const what = ids.length === 1 ? '1 item' : `${ids.length} items`
  return (
    <>
      <div className="selection" role="toolbar" aria-label="Selection">
        <IconButton icon="close" label="Clear the selection" onClick={() => select([])} />
        <strong role="status">{ids.length} selected</strong>
        {ids.length < order.length && (
          <Button look="quiet" small className="select-all" onClick={() => select(order)}>
            Select {cursor === null ? 'all' : 'the first'} {order.length}
          </Button>
        )}
        <span className="stretch" />
        {failed.length > 0 && (
          <Button
            small
            icon="retry"
            disabled={busy}
            onClick={() => void run(retryAll, failed, `${failed.length} to be processed again.`)}
          >
            Retry{failed.length < ids.length ? ` ${failed.length}` : ''}
          </Button>
        )}
        <Button look="danger" small icon="trash" disabled={busy} onClick={() => setAsking(true)}>
          Delete
        </Button>
      </div>
      {asking && (
        <Dialog
          title={`Delete ${what}?`}
          onClose={() => setAsking(false)}
          actions={
            <>
              <Button onClick={() => setAsking(false)}>Keep</Button>
              <Button look="danger" disabled={busy} onClick={() => void run(removeAll, ids, `${what} deleted.`)}>
                {busy ? 'Deleting…' : 'Delete'}
              </Button>
            </>
          }
        >
          <p>
            The files and all that was made of them are removed at once, and links to them stop working. This cannot be
            undone.
          </p>
        </Dialog>
      )}
    </>
  )
}
