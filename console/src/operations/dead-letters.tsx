import { useState } from 'react'
import { noteError } from '../api/session.ts'
import { Button } from '../ui/button.tsx'
import { Icon } from '../ui/icons.tsx'
import { say } from '../ui/toast.tsx'
import { agoOf, explain } from '../words.ts'
import { type DeadLetter, replay } from './figures.ts'

/** Jobs that nobody tries any more, until an operator says so. */
export function DeadLetters({ items, more, onChange }: { items: DeadLetter[]; more: boolean; onChange: () => void }) {
  const [busy, setBusy] = useState(false)

  async function replayAll(letters: readonly DeadLetter[]): Promise<void> {
    setBusy(true)
    const problems: unknown[] = []
    for (const { job_id } of letters) {
      await replay(job_id).catch((error) => {
        noteError(error)
        problems.push(error)
      })
    }
    setBusy(false)
    if (problems.length > 0)
      say(`${problems.length} of ${letters.length} were refused. ${explain(problems[0])}`, { bad: true })
    else say(letters.length === 1 ? 'It is tried again.' : `${letters.length} are tried again.`)
    onChange()
  }

  return (
    <section className="box" aria-labelledby="dead-letters">
      <div className="worker-head">
        <h2 id="dead-letters">Dead letters</h2>
        {items.length > 1 && (
          <Button small icon="retry" disabled={busy} onClick={() => void replayAll(items)}>
            Replay {more ? 'these' : 'all'} {items.length}
          </Button>
        )}
      </div>
      {items.length === 0 ? (
        <p className="none">
          <Icon name="check" size={18} /> Nothing is stuck.
        </p>
      ) : (
        <div className="table-box" tabIndex={0} role="region" aria-label="Dead letters">
          <table>
            <thead>
              <tr>
                <th scope="col">Job</th>
                <th scope="col">User</th>
                <th scope="col">Why</th>
                <th scope="col">Since</th>
                <th scope="col">
                  <span className="visually-hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {items.map((one) => (
                <tr key={one.job_id}>
                  <th scope="row">
                    <code>{one.kind}</code> <span className="muted">{one.media_id.slice(0, 8)}</span>
                  </th>
                  <td>{one.user_id}</td>
                  <td className="reason">
                    {one.fault === 'file' && <span className="status">the file’s fault</span>} {one.reason ?? 'unknown'}
                  </td>
                  <td>{one.parked_at ? agoOf(one.parked_at) : '—'}</td>
                  <td className="row-actions">
                    <Button small icon="retry" disabled={busy} onClick={() => void replayAll([one])}>
                      Replay
                    </Button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  )
}
