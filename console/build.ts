import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'vite'

/** Makes `dist/`, which the service serves at `/`: hashed files, and each text packed beside itself. */

const dist = join(import.meta.dirname, 'dist')
await build({ root: import.meta.dirname, logLevel: 'warn' })
for (const name of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
  if (!/\.(js|css|html|svg)$/.test(name)) continue
  const path = join(dist, name)
  writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }))
}
