// Installs the packages of this folder when they are missing; the service itself needs none of them.
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'

const lock = join(import.meta.dirname, 'package-lock.json')
const installed = join(import.meta.dirname, 'node_modules/.package-lock.json')
if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) {
  const npm = process.env.npm_execpath
  const [command, first] = npm ? [process.execPath, [npm]] : ['npm', []]
  const args = [...first, 'ci', '--loglevel=error', '--no-audit', '--no-fund']
  const { status } = spawnSync(command, args, { cwd: import.meta.dirname, stdio: ['ignore', 2, 2] })
  process.exit(status ?? 1)
}
