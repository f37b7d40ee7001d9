import { type ReactNode, useRef } from 'react'
import { usePath } from './router.ts'
import { IconButton } from './ui/button.tsx'
import { Icon } from './ui/icons.tsx'
import { Link } from './ui/link.tsx'
import { ThemeButton } from './ui/theme.tsx'
import { DropZone } from './uploads/drop-zone.tsx'
import { UploadMenu } from './uploads/menu.tsx'
import { Tray } from './uploads/tray.tsx'

export function Logo() {
  return (
    <span className="logo">
      <img src="/icon.svg" alt="" width="28" height="28" />
      <span>Media</span>
    </span>
  )
}

/** What stands around each page. */
export function Shell({ onSignOut, children }: { onSignOut: (() => void) | null; children: ReactNode }) {
  const path = usePath()
  const main = useRef<HTMLElement>(null)
  const current = (to: string) => (path === to ? { 'aria-current': 'page' as const } : {})
  return (
    <DropZone>
      <a className="skip" href="#main" onClick={(event) => (event.preventDefault(), main.current?.focus())}>
        Skip to content
      </a>
      <header className="bar">
        <Link href="/" className="home" aria-label="Media, library">
          <Logo />
        </Link>
        <nav aria-label="Main">
          <Link href="/" {...current('/')}>
            <Icon name="grid" size={18} />
            <span>Library</span>
          </Link>
          <Link href="/operations" {...current('/operations')}>
            <Icon name="pulse" size={18} />
            <span>Operations</span>
          </Link>
          <a href="/docs/">
            <Icon name="book" size={18} />
            <span>API</span>
          </a>
        </nav>
        <div className="bar-end">
          <ThemeButton />
          {onSignOut && <IconButton icon="out" label="Sign out" onClick={onSignOut} />}
          <UploadMenu />
        </div>
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        {children}
      </main>
      <Tray />
    </DropZone>
  )
}
