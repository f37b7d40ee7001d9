import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import sharp from 'sharp'
import { systemChance, systemClock } from '../../media/clock.ts'
import { linkOrCopy } from './naming.ts'
import { pictureProgram } from './picture-program.ts'
import { openPictures } from './pictures.ts'
import { openRunner } from './run.ts'
import { probeSandbox } from './sandbox.ts'

describe('pictures', () => {
  let folder: string
  before(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'pictures-')))
  })
  after(async () => await rm(folder, { recursive: true, force: true }))

  test('of several that come at once, each is made of its own bytes, and none is written over', async () => {
    const runner = openRunner({ sandbox: await probeSandbox('auto'), clock: systemClock })
    const workRoot = join(folder, 'work')
    const colours = ['#ff0000', '#00ff00', '#0000ff', '#ffff00']
    const sources = await Promise.all(
      colours.map(async (background, at) => {
        const path = join(folder, `${at}.png`)
        await sharp({ create: { width: 60 + at, height: 40, channels: 3, background } })
          .png()
          .toFile(path)
        return { path, bytes: await readFile(path) }
      }),
    )
    // None of their processes is ready yet.
    const pictures = openPictures({ runner, workRoot, chance: systemChance })
    try {
      const made = await Promise.all(
        sources.map(async ({ path }, at) => {
          const out = join(folder, `out-${at}`)
          await mkdir(out)
          const order = { source: { path }, folder: out, memory: 512, maxPixels: 1_000_000, isSvg: false }
          return await pictures.make({ ...order, wanted: 'picture', signal: new AbortController().signal })
        }),
      )
      assert.deepEqual(
        made.map(({ width, dominant_color }) => [width, dominant_color]),
        colours.map((colour, at) => [60 + at, colour]),
      )
      for (const { path, bytes } of sources) assert.deepEqual(await readFile(path), bytes)
    } finally {
      await pictures.close()
    }
  })

  test('a file with a second name is not written over by a third', async () => {
    const [first, second, path] = [join(folder, '0.png'), join(folder, '1.png'), join(folder, 'name')]
    const bytes = await readFile(first)
    await linkOrCopy(first, path)
    await assert.rejects(linkOrCopy(second, path), { code: 'EEXIST' })
    assert.deepEqual(await readFile(first), bytes)
  })

  test('its program is compiled once there was a picture, and nothing of it stays', async () => {
    const runner = openRunner({ sandbox: await probeSandbox('auto'), clock: systemClock })
    const workRoot = join(folder, 'compiling')
    const bytes = '<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20"><rect width="30" height="20"/></svg>'
    const order = { source: { bytes }, memory: 512, maxPixels: 1_000_000, isSvg: true, wanted: 'thumbnail' } as const
    const pictures = openPictures({ runner, workRoot, chance: systemChance })
    const makeOne = async (name: string) => {
      const out = join(folder, name)
      await mkdir(out)
      return await pictures.make({ ...order, folder: out, signal: new AbortController().signal })
    }
    const compiledFiles = async () => {
      const [compiled = ''] = (await readdir(workRoot)).filter((name) => name.startsWith('picture-program-'))
      const inside = compiled === '' ? [] : await readdir(join(workRoot, compiled), { recursive: true })
      return inside.length
    }
    try {
      const first = await makeOne('one')
      for (let tries = 0; (await compiledFiles()) < 5; tries++) {
        assert.ok(tries < 300, 'it was never compiled')
        await sleep(100)
      }
      // The process for the second began before, that for the third does not compile.
      assert.deepEqual([await makeOne('two'), await makeOne('three')], [first, first])
    } finally {
      await pictures.close()
    }
    assert.deepEqual(await readdir(workRoot), [])
  })

  test('where what was compiled is gone, it is compiled anew', () => {
    const given = { picture: join(folder, 'raw'), inbox: folder }
    const [there, gone] = [folder, join(folder, 'tidied')].map((compiled) => pictureProgram({ ...given, compiled }))
    assert.deepEqual([Object.values(there?.env ?? {}), there?.reads.at(-1)], [[folder], folder])
    assert.deepEqual(gone, pictureProgram({ ...given, compiled: null }))
  })
})
