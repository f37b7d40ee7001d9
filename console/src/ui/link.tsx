import type { AnchorHTMLAttributes } from 'react'
import { navigate } from '../router.ts'

/** A link within the console: a click moves on without loading, everything else is the browser's. */
export function Link({ href, onClick, ...rest }: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) {
  return (
    <a
      href={href}
      onClick={(event) => {
        onClick?.(event)
        const { button, metaKey, ctrlKey, shiftKey, altKey, defaultPrevented } = event
        if (defaultPrevented || button !== 0 || metaKey || ctrlKey || shiftKey || altKey) return
        event.preventDefault()
        navigate(href)
        scrollTo(0, 0)
      }}
      {...rest}
    />
  )
}
