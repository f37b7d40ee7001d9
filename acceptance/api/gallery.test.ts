import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeGallery } from '../gallery/gallery.ts'
import { makeSample } from '../samples.ts'

test('a gallery shows what became of each file, whatever it is called, and needs nothing else', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'gallery-'))
  const [files, out] = [join(folder, 'files'), join(folder, 'out')]
  try {
    await mkdir(files)
    for (const name of ['clip.mp4', 'photo.jpg', 'song.mp3'] as const) {
      await writeFile(join(files, name), await (await makeSample(name)).bytes())
    }
    const hostile = '"><script>alert(1)<b>.mp4'
    await writeFile(join(files, hostile), (await (await makeSample('clip.mp4')).bytes()).subarray(0, 3000))
    const page = await readFile(await makeGallery(files, out), 'utf8')
    assert.doesNotMatch(page, /<script/)
    assert.ok(page.includes('&#34;&#62;&#60;script&#62;alert(1)'))
    assert.match(page, /<dt>files<\/dt><dd>4<.*<dt>processed<\/dt><dd>3<.*<dt>refused<\/dt><dd>1</)
    const named = [...page.matchAll(/(?:src|href|poster)="([^#"][^"]*)"/g)].map(([, path = '']) => path)
    assert.ok(named.length > 20)
    for (const path of named) assert.ok(existsSync(join(out, path)), path)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
