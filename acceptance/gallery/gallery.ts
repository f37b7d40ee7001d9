import { globSync } from 'node:fs'
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { openTarget } from '../target.ts'
import { type Exhibit, exhibit } from './exhibit.ts'
import { pageOf } from './page.ts'

/**
 * Sends a folder of files through a running service and lays out what became of each: one page, with its pictures, films
 * and sounds beside it, that needs no network. `npm run gallery -- FOLDER OUT`; with BASE_URL a service that runs.
 */

const atOnce = 2

/** @returns where the page is */
export async function makeGallery(
  folder: string,
  out: string,
  say: (line: string) => void = () => {},
): Promise<string> {
  const files = await filesBelow(folder)
  if (files.length === 0) throw new Error(`${folder} holds no files`)
  await mkdir(join(out, 'assets'), { recursive: true })
  const target = await openTarget()
  const exhibits: Exhibit[] = []
  const began = performance.now()
  try {
    const left = files.map((file, at) => ({ file, at }))
    const workers = Array.from({ length: atOnce }, async () => {
      for (let next = left.shift(); next; next = left.shift()) {
        const { file, at } = next
        const shown = await exhibit({ url: target.url, path: join(folder, file), name: file, out, prefix: String(at) })
        exhibits[at] = shown
        say(`${file}: ${shown.refused ? shown.refused.code : `${shown.seconds.toFixed(1)} s`}`)
      }
    })
    await Promise.all(workers)
  } finally {
    await target.stop()
  }
  const page = join(out, 'index.html')
  await writeFile(page, pageOf(exhibits, (performance.now() - began) / 1000))
  return page
}

/** Hidden files and lists are no media. */
async function filesBelow(folder: string): Promise<string[]> {
  const found = globSync('**/*', { cwd: folder }).filter((name) => !/(?:^|\/)\.|\.(?:tsv|md|txt|json)$/.test(name))
  const isFile = await Promise.all(found.map(async (name) => (await stat(join(folder, name))).isFile()))
  return found.filter((_, at) => isFile[at]).toSorted()
}

if (import.meta.main) {
  const [folder, out] = process.argv.slice(2)
  if (!folder || !out) {
    console.error('Name a folder of files, and one for the page: npm run gallery -- FOLDER OUT')
    process.exit(2)
  }
  const page = await makeGallery(resolve(folder), resolve(out), console.log)
  console.log(`\n${relative(process.cwd(), page)} shows it.`)
}
