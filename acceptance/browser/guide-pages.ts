import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'

/** Serves code of the guides as an application would be made of it: bundled with the packages as npm delivers them. */

const root = join(import.meta.dirname, '../..')
const client = { '@media-service/client': join(root, 'client/src/index.ts') }

export interface GuidePages {
  /** Another than the service's. */
  origin: string
  /** Address of a page as it stands, but that the script in it is bundled when it imports something. */
  html(markup: string): Promise<string>
  script(code: string, markup: string): Promise<string>
  /** @param files whose first line is a comment with their name @param element to be shown, of what they export */
  react(files: string[], element: string): Promise<string>
  close(): Promise<void>
}

export async function openGuidePages(): Promise<GuidePages> {
  const folder = await mkdtemp(join(tmpdir(), 'guide-pages-'))
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  const bodies: string[] = []
  const server = createServer((req, res) => {
    const body = bodies[Number(req.url?.slice(1))]
    if (body === undefined) return void res.writeHead(req.url === '/favicon.ico' ? 204 : 404).end()
    res.setHeader('content-type', 'text/html; charset=utf-8').end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const serve = (body: string) => `${origin}/${bodies.push(body) - 1}`

  async function html(markup: string): Promise<string> {
    const [whole = '', code = ''] = /<script type="module">([^]*?)<\/script>/.exec(markup) ?? []
    if (!/^\s*import /m.test(code)) return serve(markup)
    const bundled = await bundle(folder, { 'page.js': code })
    return serve(markup.replace(whole, () => scriptOf(bundled)))
  }
  return {
    origin,
    html,
    script: async (code, markup) => serve(markup + scriptOf(await bundle(folder, { 'page.js': code }))),
    react: async (files, element) => {
      const named = Object.fromEntries(files.map((code) => [/^\/\/ (\S+)/.exec(code)?.[1] ?? '', code]))
      const names = Object.keys(named).filter((name) => name.endsWith('.tsx'))
      const entry = [
        `import { createRoot } from 'react-dom/client'`,
        ...names.map((name) => `import * as ${name.replace('.tsx', '')} from './${name}'`),
        `const { App, Picture } = { ${names.map((name) => `...${name.replace('.tsx', '')}`).join(', ')} }`,
        `createRoot(document.body.appendChild(document.createElement('div'))).render(${element})`,
      ]
      return serve(
        `<!doctype html><title>React</title>${scriptOf(await bundle(folder, { 'page.tsx': entry.join('\n'), ...named }))}`,
      )
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** The first file with all that it imports. */
async function bundle(folder: string, files: Record<string, string>): Promise<string> {
  const own = await mkdtemp(join(folder, 'code-'))
  for (const [name, code] of Object.entries(files)) await writeFile(join(own, name), code)
  const { outputFiles } = await build({
    entryPoints: [join(own, Object.keys(files)[0] ?? '')],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    jsx: 'automatic',
    alias: client,
    define: { 'process.env.NODE_ENV': '"production"' },
    logLevel: 'warning',
  })
  return outputFiles[0]?.text ?? ''
}

function scriptOf(code: string): string {
  return `<script type="module">${code.replaceAll('</script', '<\\/script')}</script>`
}
