import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { makeSample } from '../samples.ts'
import { startTarget } from '../target.ts'

/** The client as somebody gets it who has nothing of this repository. */

const root = join(import.meta.dirname, '../..')
const bytesAtMost = 8 * 1024

describe('the package', () => {
  let folder: string
  let installed: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'package-'))
    installed = install(folder)
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  test('holds what it needs, and no more', () => {
    const { dependencies } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
    assert.equal(dependencies, undefined)
    assert.deepEqual(readdirSync(installed).toSorted(), ['LICENSE', 'README.md', 'dist', 'package.json'])
    assert.deepEqual(
      readdirSync(join(folder, 'node_modules')).filter((name) => !name.startsWith('.')),
      ['@media-service'],
    )
    for (const file of readdirSync(join(installed, 'dist'))) {
      const text = readFileSync(join(installed, 'dist', file), 'utf8')
      assert.doesNotMatch(text, /typebox|@media-service\/contract/, file)
      assert.doesNotMatch(file, /test/)
    }
  })

  for (const [consumer, options] of [
    ['a page', { lib: ['es2022', 'dom', 'dom.iterable'], types: [], module: 'esnext', moduleResolution: 'bundler' }],
    ['a Node program', { lib: ['es2022'], types: ['node'], module: 'nodenext', moduleResolution: 'nodenext' }],
  ] as const) {
    test(`types for ${consumer}`, () => {
      const forNode = options.types[0] === 'node'
      writeFileSync(join(folder, 'use.ts'), forNode ? `${usage}\n${nodeUsage}` : usage)
      const compilerOptions = {
        ...options,
        target: 'es2022',
        strict: true,
        noEmit: true,
        exactOptionalPropertyTypes: true,
      }
      const typeRoots = [join(root, 'node_modules/@types')]
      const config = { compilerOptions: { ...compilerOptions, typeRoots }, files: ['use.ts'] }
      writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
      const tsc = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', folder], { encoding: 'utf8' })
      assert.equal(tsc.stdout + tsc.stderr, '')
      assert.equal(tsc.status, 0)
    })
  }

  test(`for browsers: nothing of Node, under ${bytesAtMost} bytes`, async (t) => {
    const { outputFiles, metafile } = await build({
      stdin: { contents: `export * from '@media-service/client'`, resolveDir: folder },
      ...{
        bundle: true,
        minify: true,
        write: false,
        metafile: true,
        format: 'esm',
        platform: 'browser',
        target: 'es2022',
      },
    })
    const inputs = Object.values(metafile.inputs).flatMap(({ imports }) => imports.map(({ path }) => path))
    assert.deepEqual(
      inputs.filter((path) => /^node:|typebox/.test(path)),
      [],
    )
    const contents = outputFiles[0]?.contents ?? assert.fail('nothing was built')
    assert.doesNotMatch(new TextDecoder().decode(contents), /\bBuffer\b|\brequire\(/)
    const { length } = gzipSync(contents)
    t.diagnostic(`${length} bytes gzipped, ${contents.length} minified`)
    assert.ok(length < bytesAtMost, `${length} bytes`)
  })

  for (const node of nodes()) {
    test(`runs on ${execFileSync(node, ['--version'], { encoding: 'utf8' }).trim()}`, async () => {
      const target = await startTarget({ role: 'serve' })
      try {
        const photo = join(folder, 'photo.jpg')
        writeFileSync(photo, new Uint8Array(await (await makeSample('photo.jpg')).arrayBuffer()))
        writeFileSync(join(folder, 'use.mjs'), program)
        const run = spawnSync(node, ['use.mjs', target.url, photo], { cwd: folder, encoding: 'utf8', timeout: 60_000 })
        assert.equal(run.stderr, '')
        assert.match(run.stdout, /^uploaded photo\.jpg 7 \d+\n$/)
      } finally {
        await target.stop()
      }
    })
  }
})

/** Packs and installs, without a network; the folder that holds the package. */
function install(folder: string): string {
  const quiet = {
    encoding: 'utf8',
    stdio: 'pipe',
    env: { ...process.env, npm_config_cache: join(folder, 'cache') },
  } as const
  // Packed from a copy: the build of another test at the same time shall not be under it.
  const copy = join(folder, 'copy')
  cpSync(join(root, 'client'), join(copy, 'client'), { recursive: true, filter: (path) => !path.endsWith('dist') })
  for (const name of ['contract', 'tsconfig.json', 'package.json'])
    cpSync(join(root, name), join(copy, name), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  const packed = execFileSync('npm', ['pack', '--pack-destination', folder], { ...quiet, cwd: join(copy, 'client') })
  const tarball = packed.trim().split('\n').at(-1) ?? ''
  writeFileSync(join(folder, 'package.json'), '{"private": true}')
  execFileSync('npm', ['install', '--offline', '--no-audit', '--no-fund', join(folder, tarball)], {
    ...quiet,
    cwd: folder,
  })
  rmSync(copy, { recursive: true })
  return join(folder, 'node_modules/@media-service/client')
}

/** The Node of the tests, and the system's, where it is another. */
function nodes(): string[] {
  return [process.execPath, '/usr/bin/node'].filter((path) => existsSync(path))
}

const usage = `
import { createClient, MediaServiceError, storageResumeStore, type Media, type Progress, type UploadFile } from '@media-service/client'
const media = createClient({ baseUrl: 'https://media.example.com', token: async () => 'token' })
export async function send(file: Blob, signal: AbortSignal): Promise<Media> {
  return await media.upload(file, { title: 'A title', signal, onProgress: ({ stored_bytes, total }: Progress) => void (stored_bytes / total) })
}
export async function use(file: UploadFile): Promise<number | null> {
  const record = await media.upload(file, { title: 'A title', resume: false })
  const status: 'uploading' | 'uploaded' | 'processing' | 'processed' | 'failed' | 'deleted' = record.status
  // @ts-expect-error no such field
  record.nothing
  for await (const { playable } of media.watch(record.media_id)) if (playable) break
  for await (const one of media.listAll({ status: 'processed', media_type: 'video' })) void one.renditions[0]?.s3_url
  const { url } = await media.downloadUrl(record.media_id, { disposition: 'attachment' })
  void [url, status, MediaServiceError, storageResumeStore]
  return record.file_size
}
`
const nodeUsage = `
import { fileSource, folderResumeStore } from '@media-service/client/node'
export const both = async () => await media.upload(await fileSource('a.mp4'), { title: 'a', resume: folderResumeStore('b') })
`
const program = `
import { createClient } from '@media-service/client'
import { fileSource } from '@media-service/client/node'
const [baseUrl, path] = process.argv.slice(2)
const media = createClient({ baseUrl })
const record = await media.upload(await fileSource(path), { title: 'A title' })
const { items } = await media.list()
const names = []
for (let n = 0; n < 5; n++) names.push((await media.upload(await fileSource(path), { title: 'Again' })).media_id)
const parts = await media.upload(await fileSource(path), { title: 'In parts', formLimit: 0 })
names.push(parts.media_id)
for await (const { media_id } of media.watch(parts.media_id)) {
  if (media_id !== parts.media_id || !parts.etag.endsWith('-1')) throw new Error('no upload in parts')
  break
}
console.log(record.status, record.filename, new Set([...names, items[0].media_id]).size, record.file_size)
`
