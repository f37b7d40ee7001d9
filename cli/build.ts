import { spawnSync } from 'node:child_process'
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Makes `dist/`, what is packed: service and command line as JavaScript, since Node reads no types below `node_modules`.
 * It lies there as in the repository, so that files find each other the same way.
 */

const here = import.meta.dirname
const root = join(here, '..')
const dist = join(root, 'dist')

rmSync(dist, { recursive: true, force: true })
const compiled = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', here], { stdio: 'inherit' })
if (compiled.status !== 0) process.exit(1)
const page = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', join(root, 'console/build.ts')], {
  stdio: 'inherit',
})
if (page.status !== 0) process.exit(1)
cpSync(join(root, 'console/dist'), join(dist, 'console/dist'), { recursive: true })
// What `/llms.txt` serves.
for (const page of ['llms.txt', 'README.md', 'ARCHITECTURE.md', 'client/README.md', 'docs']) {
  const filter = (path: string) => !/docs.(decisions|images)/.test(path)
  cpSync(join(root, page), join(dist, page), { recursive: true, filter })
}
const { name, version, type } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
// The sandbox shows a tool's child this file and not the one above.
writeFileSync(join(dist, 'package.json'), `${JSON.stringify({ name, version, private: true, type })}\n`)
