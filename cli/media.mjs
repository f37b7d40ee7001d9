#!/usr/bin/env node
// Runs `media` on a Node that can: this one when it is new enough, else the one that comes with the package. Plain
// JavaScript, so that an older Node gets as far as saying so.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { setFlagsFromString } from 'node:v8'

const oldestNode = 24
const here = dirname(fileURLToPath(import.meta.url))
const self = fileURLToPath(import.meta.url)
const program = [join(here, 'main.ts'), join(here, '../dist/cli/main.js')].find((path) => existsSync(path))

if (Number(process.versions.node.split('.')[0]) >= oldestNode) {
  // A young generation that grows takes a hundred megabytes more over thousands of files, of which sixteen are in use.
  setFlagsFromString('--max-semi-space-size=2')
  setFlagsFromString('--semi-space-growth-factor=1')
  const { run } = await import(pathToFileURL(program).href)
  await run(process.argv.slice(2))
} else {
  const node = packagedNode()
  if (node) handOver(node)
  else {
    process.stderr.write(
      `media needs Node ${oldestNode} or later; this is ${process.version}. Install it and try again.\n`,
    )
    process.exitCode = 2
  }
}

function packagedNode() {
  const system = { win32: 'win' }[process.platform] ?? process.platform
  const file = process.platform === 'win32' ? 'node.exe' : 'node'
  try {
    const path = createRequire(import.meta.url).resolve(`node-${system}-${process.arch}/package.json`)
    const node = join(dirname(path), 'bin', file)
    return existsSync(node) ? node : null
  } catch {
    return null
  }
}

function handOver(node) {
  const child = spawn(node, [self, ...process.argv.slice(2)], { stdio: 'inherit' })
  // Ctrl-C reaches both; the child says when it is over.
  process.on('SIGINT', () => {})
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('close', (code, signal) => {
    if (signal) {
      process.removeAllListeners(signal)
      process.kill(process.pid, signal)
    } else process.exitCode = code
  })
}
