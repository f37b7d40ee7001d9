import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import { type Block, blocksIn, pages } from '../../scripts/pages.ts'
import { freePort } from '../ports.ts'
import { startTarget } from '../target.ts'
import { suiteOf } from './elsewhere.ts'
import { languages, openReader, type Reader } from './reader.ts'

/** Every page's shell, Node and Python code, run from top to bottom against a service of its own. */

const run = promisify(execFile)

/** What a block must print besides ending well, by words that are in it and in no other of its page. */
const printed: Record<string, [words: string, wanted: RegExp][]> = {
  'README.md': [
    ['MEDIA_ID/events', /"status":"processed"/],
    ['createClient', /processed 100\nhttp\S+\/hls\/master\.m3u8\?Policy=/],
  ],
  'docs/delivery.md': [
    ['expires_at', /"url":"http[^"]+\/v\d+\/720p\.mp4\?Expires=/],
    ['card.webp', /^$/],
  ],
  'docs/identity.md': [
    ['title="Mountain', /"user_id":"shop".*"items":\[\{"media_id"/s],
    ['SignJWT', /^200\n$/],
  ],
  'docs/uploads.md': [
    ['-F title="Mountain', /"status":"uploaded"/],
    ['title=Alps&filename=alps', /"title":"clip".*"title":"Alps".*"filename":"alps.mp4"/s],
    ['PART_SIZE', /"stored_bytes":\d{8}.*"part_number":3.*"status":"uploaded".*"etag":"[0-9a-f]{32}-3"/s],
    ['upload-complete: ?1', /"status":"uploaded"/],
  ],
  'docs/guides/server-side.md': [
    ['MEDIA_ID/events', /"status":"processed"/],
    ['folderResumeStore', /100 %\n[^]*processed 100 \nhttp/],
    ['createReadStream', /^201 \S+ uploaded\n$/],
    ['urllib', /processed \[[^]*'thumbnail'[^]*http/],
  ],
  'docs/guides/mobile.md': [
    ['TUS-Resumable', /"title":"Alps".*"status":"(uploaded|processing|processed)".*"filename":"clip.mp4"/],
    ['Interop-Version', /"title":"Alps".*"status":"uploaded"/],
  ],
}

/** Beyond what blocks print: what a reader has when he is through with the page. */
const left: Record<string, (reader: Reader) => Promise<void>> = {
  'README.md': async ({ folder }) => {
    const probe = ['-v', 'error', '-show_entries', 'stream=codec_name', '-of', 'csv=p=0', join(folder, 'clip-720p.mp4')]
    assert.equal((await run('ffprobe', probe)).stdout, 'h264\naac\n')
  },
  'docs/delivery.md': async ({ folder }) => {
    assert.equal((await readFile(join(folder, 'card.webp'))).toString('latin1', 8, 12), 'WEBP')
    assert.equal((await readFile(join(folder, 'first.bin'))).length, 1024)
  },
  'docs/uploads.md': async (reader) => {
    const [first, second, ...more] = await sendReceipts(reader)
    assert.deepEqual([more, first], [[], second])
  },
}

async function sendReceipts({ follow }: Reader): Promise<string[]> {
  const block = blocksIn('docs/uploads.md').find(({ code }) => code.includes('Receipt')) ?? assert.fail()
  return ((await follow(block)).match(/"media_id":"[^"]+/g) ?? []).map(String)
}

const secret = 'a secret that only this test and its service know'
/** Pages that start the service themselves, and what they are started with. */
const starting: Record<string, Record<string, string>> = { 'docs/identity.md': { AUTH_JWT_SECRET: secret } }
/** Pages that take a media's name from somewhere else. */
const withMedia = new Set(['docs/delivery.md'])

for (const page of pages) {
  const blocks = blocksIn(page).filter((block) => languages.includes(block.language) && !suiteOf(block))
  if (blocks.length > 0) describe(page, () => goThrough(page, blocks))
}

function goThrough(page: string, blocks: Block[]): void {
  test('does what it says', async (t) => {
    const own = starting[page]
    const target = own ? null : await startTarget()
    const reader = await openReader(target?.url ?? `http://127.0.0.1:${await freePort()}`, own)
    try {
      if (withMedia.has(page)) await readReadme(reader)
      const wanted = new Set(printed[page])
      for (const block of blocks) {
        await t.test(`${page}:${block.line} ${block.heading}`, async () => {
          const said = await reader.follow(block)
          for (const one of wanted) {
            if (!block.code.includes(one[0])) continue
            assert.match(said, one[1])
            wanted.delete(one)
          }
        })
      }
      assert.deepEqual([...wanted], [], 'the page has lost code')
      await left[page]?.(reader)
    } finally {
      await reader.leave()
      await target?.stop()
    }
  })
}

/** Up to where a media is processed. */
async function readReadme({ follow }: Reader): Promise<void> {
  const [upload, rest] = blocksIn('README.md').filter(({ heading }) => heading === 'Try it')
  assert.ok(upload && rest)
  await follow(upload)
  await follow({ ...rest, code: rest.code.split('\n')[0] ?? '' })
}
