import { createWriteStream, mkdirSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Server as TusServer } from '@tus/server'

/**
 * What the doors are measured beside, in a process of its own: `node doors-peer.ts put FOLDER` is a bare server that
 * pipes a body into a file; `node doors-peer.ts tus-at FOLDER FILE_STORE` is @tus/server over its own store, whose
 * folder in some `node_modules` is the last argument. Prints its address.
 */
const [kind, folder = '', fileStore = ''] = process.argv.slice(2)
mkdirSync(folder, { recursive: true })

const server =
  kind === 'put'
    ? createServer((req, res) => {
        const file = createWriteStream(join(folder, 'body'))
        req.pipe(file).once('finish', () => res.writeHead(201).end())
      })
    : createServer(await openTus())

async function openTus() {
  const { FileStore } = await import(pathToFileURL(join(fileStore, 'dist/index.js')).href)
  const tus = new TusServer({ path: '/files', datastore: new FileStore({ directory: folder }) })
  return tus.handle.bind(tus)
}

server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  console.log(`http://127.0.0.1:${port}/files`)
})
