import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What people read: pages in Markdown, and the blocks of code in them. */

const root = join(import.meta.dirname, '..')

/** Paths from the root. Decisions are history, and stay as they were written. */
export const pages = ['README.md', ...globSync('docs/**/*.md', { cwd: root })]
  .map((path) => path.replaceAll('\\', '/'))
  .filter((path) => !path.startsWith('docs/decisions/'))
  .toSorted()

export interface Block {
  page: string
  /** The heading above it, of any depth. */
  heading: string
  language: string
  code: string
  /** Of its first line of code. */
  line: number
}

export function readPage(page: string): string {
  return readFileSync(join(root, page), 'utf8')
}

/** The fenced blocks of a page, in order. */
export function blocksIn(page: string): Block[] {
  const blocks: Block[] = []
  let heading = ''
  let open: { language: string; lines: string[]; line: number } | null = null
  for (const [index, line] of readPage(page).split('\n').entries()) {
    if (line.startsWith('```')) {
      if (open) blocks.push({ page, heading, language: open.language, code: open.lines.join('\n'), line: open.line })
      open = open ? null : { language: line.slice(3), lines: [], line: index + 2 }
    } else if (open) open.lines.push(line)
    else if (/^#+ /.test(line)) heading = line.replace(/^#+ /, '')
  }
  return blocks
}

/** Those of one language below a heading, up to the next heading of any depth. */
export function blocksOf(page: string, heading: string, language: string): string[] {
  const found = blocksIn(page).filter((block) => block.heading === heading && block.language === language)
  if (found.length === 0) throw new Error(`${page} has no ${language} below "${heading}"`)
  return found.map(({ code }) => code)
}

/** The environment that a chapter gives, complete as it stands. */
export function environmentOf(page: string, heading: string): Record<string, string> {
  const lines = blocksOf(page, heading, 'ini').join('\n').split('\n')
  return Object.fromEntries(
    lines.filter((line) => line.includes('=')).map((line) => [line.split('=')[0] ?? '', line.replace(/^[^=]*=/, '')]),
  )
}

/** Where a page's links and pictures lead, outside of its code. */
export function linksIn(page: string): string[] {
  const text = readPage(page)
    .replaceAll(/^```[^]*?^```/gm, '')
    .replaceAll(/`[^`\n]*`/g, '`')
  const links = [...text.matchAll(/\]\(([^)\s]+)\)/g), ...text.matchAll(/(?:src|srcset|href)="([^"]+)"/g)]
  return links.map(([, link = '']) => link)
}

/** What GitHub calls the headings of a page. */
export function anchorsOf(text: string): Set<string> {
  const headings = text.replaceAll(/^```[^]*?^```/gm, '').matchAll(/^#+ (.*)$/gm)
  return new Set([...headings].map(([, heading = '']) => anchorOf(heading)))
}

function anchorOf(heading: string): string {
  const words = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase()
  return words.replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-')
}
