import { spawnSync } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { build } from 'esbuild'
import { type Browser, chromium } from 'playwright-core'

/** A real browser, and pages for it on an origin of their own. */

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/**
 * @param more arguments of Chromium's own
 * @throws Error saying what to install.
 */
export async function openBrowser(...more: string[]): Promise<Browser> {
  const { CHROMIUM_PATH } = process.env
  const executablePath = CHROMIUM_PATH ?? names.map(pathOf).find((path) => path !== '')
  if (!executablePath) {
    throw new Error('These tests need Chromium: apt-get install chromium, or set CHROMIUM_PATH.')
  }
  // Its own sandbox does not start as root.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : []
  return await chromium.launch({ executablePath, args: [...args, ...more], headless: true })
}

function pathOf(name: string): string {
  return spawnSync('which', [name], { encoding: 'utf8' }).stdout?.trim() ?? ''
}

export interface Pages {
  /** Their origin: another than the service's. */
  origin: string
  /** Address of a page with what it is told. */
  at(name: string, told: Record<string, string>): string
  close(): Promise<void>
}

/** Serves `pages/{name}.js`, bundled with the packages as npm delivered them, each in a page with a file input. */
export async function openPages(...pages: string[]): Promise<Pages> {
  const { outputFiles } = await build({
    entryPoints: pages.map((name) => join(import.meta.dirname, 'pages', `${name}.js`)),
    outdir: '/',
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    logLevel: 'warning',
  })
  const scripts = new Map(outputFiles.map(({ path, contents }) => [path, contents]))
  const server = createServer((req, res) => {
    const path = new URL(req.url ?? '/', 'http://page').pathname
    const script = scripts.get(path)
    if (script) return void res.setHeader('content-type', 'text/javascript').end(script)
    const name = path.slice(1)
    if (!pages.includes(name)) return void res.writeHead(404).end()
    res.setHeader('content-type', 'text/html; charset=utf-8')
    res.end(`<!doctype html><title>${name}</title><input type="file"><script type="module" src="/${name}.js"></script>`)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    origin,
    at: (name, told) => `${origin}/${name}?${new URLSearchParams(told)}`,
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
