import { type FormEvent, useState } from 'react'
import { MediaServiceError } from '../../client/src/index.ts'
import { signIn } from './api/session.ts'
import { Logo } from './shell.tsx'
import { Button } from './ui/button.tsx'
import { explain } from './words.ts'

/** For services that ask who calls: a token of the organisation's own, or an API key. */
export function SignIn({ reason }: { reason: string | null }) {
  const [problem, setProblem] = useState(reason)
  const [busy, setBusy] = useState(false)

  async function submit(event: FormEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const value = String(form.get('token')).trim()
    if (!value) return setProblem('Paste a token first.')
    setBusy(true)
    setProblem(null)
    try {
      await signIn(value, { keep: form.get('keep') === 'on' })
    } catch (error) {
      const refused = error instanceof MediaServiceError && error.status === 401
      setProblem(
        refused ? 'The service does not accept this token. It may be mistyped, or have expired.' : explain(error),
      )
      setBusy(false)
    }
  }

  return (
    <main className="alone">
      <form className="sign-in" onSubmit={submit}>
        <Logo />
        <h1>Sign in</h1>
        <p className="muted">
          This service asks who you are. Paste an access token or an API key that its operator gave you.
        </p>
        <label className="field">
          <span>Access token</span>
          <input
            name="token"
            type="password"
            autoComplete="current-password"
            spellCheck={false}
            placeholder="eyJhbGciOi…"
            aria-describedby="sign-in-problem"
            aria-invalid={problem !== null}
          />
        </label>
        <p id="sign-in-problem" className="problem" role="alert">
          {problem}
        </p>
        <label className="check">
          <input name="keep" type="checkbox" />
          <span>Stay signed in on this device</span>
        </label>
        <Button look="primary" type="submit" disabled={busy}>
          {busy ? 'Checking…' : 'Sign in'}
        </Button>
      </form>
    </main>
  )
}
