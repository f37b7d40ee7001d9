import { useState } from 'react'
import { IconButton } from './button.tsx'

/** Light, dark, or as the system has it. */
const themes = ['auto', 'light', 'dark'] as const
type Theme = (typeof themes)[number]
const place = 'media-console:theme'

function chosen(): Theme {
  const found = localStorage.getItem(place)
  return themes.find((one) => one === found) ?? 'auto'
}

export function applyTheme(theme: Theme = chosen()): void {
  if (theme === 'auto') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
}

export function ThemeButton() {
  const [theme, setTheme] = useState(chosen)
  const next = themes[(themes.indexOf(theme) + 1) % themes.length] as Theme
  return (
    <IconButton
      icon={theme === 'auto' ? 'auto' : theme === 'light' ? 'sun' : 'moon'}
      label={`Colours: ${theme === 'auto' ? 'as the system' : theme}. Change to ${next === 'auto' ? 'as the system' : next}`}
      onClick={() => {
        if (next === 'auto') localStorage.removeItem(place)
        else localStorage.setItem(place, next)
        applyTheme(next)
        setTheme(next)
      }}
    />
  )
}
