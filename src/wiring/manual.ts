import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ManualFiles } from '../http/deps.ts'

/** Above the sources, and in the same place above what is compiled of them. */
const root = join(import.meta.dirname, '../..')
const index = 'llms.txt'

/** The index and the pages that it links; undefined where they were left out. */
export async function findManual(): Promise<ManualFiles | undefined> {
  const text = await readFile(join(root, index), 'utf8').catch(() => null)
  if (text === null) return undefined
  const linked = [...text.matchAll(/\]\(([\w./-]+\.md)\)/g)].map(([, path = '']) => path)
  const there = await Promise.all(
    linked.map((path) =>
      access(join(root, path)).then(
        () => true,
        () => false,
      ),
    ),
  )
  return { folder: root, index, pages: linked.filter((_, at) => there[at]) }
}
