import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const readme = join(import.meta.dirname, '..', 'README.md')

/** The fenced blocks of one language below a heading of the README, up to the next heading of any depth. */
export function blocksOf(heading: string, language: string): string[] {
  const lines = readFileSync(readme, 'utf8').split('\n')
  const from = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, '') === heading)
  if (from < 0) throw new Error(`README.md has no heading "${heading}"`)
  // A comment in a block looks like a heading: only those outside of blocks end the chapter.
  const blocks: string[] = []
  let open: string[] | null = null
  let wanted = false
  for (const line of lines.slice(from + 1)) {
    if (open === null && /^#+ /.test(line)) break
    if (!line.startsWith('```')) {
      open?.push(line)
    } else if (open === null) {
      open = []
      wanted = line === `\`\`\`${language}`
    } else {
      if (wanted) blocks.push(open.join('\n'))
      open = null
    }
  }
  return blocks
}

/** The environment that a chapter gives, complete as it stands. */
export function environmentOf(heading: string): Record<string, string> {
  const lines = blocksOf(heading, 'ini').join('\n').split('\n')
  return Object.fromEntries(
    lines.filter((line) => line.includes('=')).map((line) => [line.split('=')[0] ?? '', line.replace(/^[^=]*=/, '')]),
  )
}
