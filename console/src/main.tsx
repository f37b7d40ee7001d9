import { createRoot } from 'react-dom/client'
import { App } from './app.tsx'
import { applyTheme } from './ui/theme.tsx'
import './styles/tokens.css'
import './styles/base.css'
import './styles/shell.css'
import './styles/library.css'
import './styles/uploads.css'

applyTheme()
createRoot(document.getElementById('root') as HTMLElement).render(<App />)
