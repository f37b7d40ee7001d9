import { lazy, Suspense, useEffect, useState } from 'react'
import { forgetLinks } from './api/links.ts'
import { checkSession, session, signOut } from './api/session.ts'
import { clearLibrary, startFollowing } from './library/library.ts'
import { LibraryPage } from './library/page.tsx'
import { navigate, routeOf, usePath } from './router.ts'
import { Shell } from './shell.tsx'
import { SignIn } from './sign-in.tsx'
import { useStore } from './store.ts'
import { Button } from './ui/button.tsx'
import { Link } from './ui/link.tsx'
import { Empty, Spinner } from './ui/parts.tsx'
import { Toasts } from './ui/toast.tsx'
import { endUploads, leaveUploads, restoreUploads } from './uploads/uploads.ts'
import { explain } from './words.ts'

// What the first view does not need comes when it is asked for.
const MediaPage = lazy(async () => ({ default: (await import('./media/page.tsx')).MediaPage }))
const OperationsPage = lazy(async () => ({ default: (await import('./operations/page.tsx')).OperationsPage }))

export function App() {
  const { state, reason } = useStore(session, (value) => value)
  const [problem, setProblem] = useState<string | null>(null)

  const begin = () => {
    setProblem(null)
    checkSession().catch((error) => setProblem(explain(error)))
  }
  useEffect(begin, [])
  useEffect(() => {
    if (state !== 'open' && state !== 'signed-in') return
    void restoreUploads()
    const stop = startFollowing()
    return () => {
      stop()
      clearLibrary()
      forgetLinks()
      leaveUploads()
    }
  }, [state])

  if (state === 'signed-out') return <SignIn reason={reason} />
  if (problem !== null) return <Unreachable problem={problem} onAgain={begin} />
  if (state === 'unknown') return <Spinner label="Opening" />
  return (
    <Shell
      onSignOut={
        state === 'signed-in'
          ? () => {
              void endUploads()
              signOut()
              navigate('/')
            }
          : null
      }
    >
      <Page />
      <Toasts />
    </Shell>
  )
}

function Page() {
  const route = routeOf(usePath())
  return (
    <Suspense fallback={<Spinner label="Loading" />}>
      {route.page === 'library' && <LibraryPage />}
      {route.page === 'media' && <MediaPage key={route.media_id} media_id={route.media_id} />}
      {route.page === 'operations' && <OperationsPage />}
      {route.page === 'nowhere' && <Nowhere />}
    </Suspense>
  )
}

function Nowhere() {
  return (
    <Empty whole icon="search" title="There is no such page">
      <p>The address may be mistyped, or come from an older version.</p>
      <Link href="/" className="button">
        Back to the library
      </Link>
    </Empty>
  )
}

function Unreachable({ problem, onAgain }: { problem: string; onAgain: () => void }) {
  return (
    <main className="alone">
      <Empty whole icon="alert" title="The service does not answer">
        <p>{problem}</p>
        <Button look="primary" icon="retry" onClick={onAgain}>
          Try again
        </Button>
      </Empty>
    </main>
  )
}
