import { useState } from 'react'
import { noteError } from '../api/session.ts'
import { library } from '../library/library.ts'
import { useStore } from '../store.ts'
import { Button } from '../ui/button.tsx'
import { Icon } from '../ui/icons.tsx'
import { Link } from '../ui/link.tsx'
import { say } from '../ui/toast.tsx'
import { agoOf, explain } from '../words.ts'
import { type DeadLetter, type Fault, replay } from './figures.ts'

interface DeadLettersProps {
  items: DeadLetter[]
  more: boolean
  fault: Fault
  onFault: (fault: Fault) => void
  onChange: () => void
}

/** Jobs that nobody tries any more, until an operator says so. */
export function DeadLetters({ items, more, fault, onFault, onChange }: DeadLettersProps) {
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
        <fieldset className="chips">
          <legend className="visually-hidden">Whose fault</legend>
          {(['service', 'file'] as const).map((one) => (
            <label key={one} className="chip">
              <input type="radio" name="fault" checked={fault === one} onChange={() => onFault(one)} />
              <span>{one === 'service' ? 'Of the service' : 'Of the file'}</span>
            </label>
          ))}
        </fieldset>
        <span className="stretch" />
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
        <div className="table-box letters" tabIndex={0} role="region" aria-label="Jobs that are stuck">
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
                    <code>{one.kind}</code> <Of media_id={one.media_id} />
                  </th>
                  <td className="user">{one.user_id}</td>
                  <td className="reason">
                    <Reason text={one.reason ?? 'unknown'} />
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

/** Operators see the titles of their own media only. */
function Of({ media_id }: { media_id: string }) {
  const title = useStore(library, ({ media }) => media.get(media_id)?.title)
  if (title === undefined) return <span className="muted">{media_id.slice(0, 8)}</span>
  return <Link href={`/media/${media_id}`}>{title}</Link>
}

/** What a tool said may be long: its first line, and the rest for who wants it. */
function Reason({ text }: { text: string }) {
  const [first = '', ...rest] = text.split('\n')
  if (rest.length === 0) return first
  return (
    <details>
      <summary>{first}</summary>
      <pre className="code" tabIndex={0}>
        {rest.join('\n')}
      </pre>
    </details>
  )
}
