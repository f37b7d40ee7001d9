import assert from 'node:assert/strict'
import { link, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import sharp from 'sharp'
import { systemChance, systemClock } from '../../media/clock.ts'
import { ffmpeg, openTestbed, run } from '../testbed.test.ts'
import { checkLeft, openLeft, readLeft, weighLeft } from './left.ts'
import { openPictures } from './pictures.ts'
import { openRunner } from './run.ts'
import { probeSandbox } from './sandbox.ts'

/** A tool that somebody has taken over leaves anything in place of its files. */
describe('what a tool leaves', () => {
  let folder: string
  let canary: string
  before(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'left-')))
    canary = join(folder, 'canary')
    await writeFile(canary, 'a key of the house')
  })
  after(async () => await rm(folder, { recursive: true, force: true }))

  const foreign: Record<string, (path: string) => Promise<unknown>> = {
    'a link': async (path) => await symlink(canary, path),
    'a link to nothing': async (path) => await symlink('/nowhere', path),
    'a link to a folder': async (path) => await symlink(folder, path),
    'another name of a file of ours': async (path) => await link(canary, path),
    'a pipe': async (path) => await run('mkfifo', [path]),
    'a folder': async (path) => await mkdir(path),
  }
  const crashed = { code: 'tool_crashed', message: /^a tool left / }

  for (const [name, leave] of Object.entries(foreign)) {
    test(`is not opened, read, weighed or let pass when it is ${name}`, async () => {
      const place = await mkdtemp(join(folder, 'one-'))
      const path = join(place, 'film.mp4')
      await leave(path)
      await assert.rejects(openLeft(path), crashed)
      await assert.rejects(readLeft(path, 1024), crashed)
      await assert.rejects(weighLeft(path), crashed)
      await assert.rejects(checkLeft(place), crashed)
    })
  }

  test('is read when it is a file, and no longer than it may be', async () => {
    const place = await mkdtemp(join(folder, 'plain-'))
    const path = join(place, 'film.mp4')
    await writeFile(path, 'frames')
    assert.equal((await readLeft(path, 6)).toString(), 'frames')
    assert.equal(await weighLeft(path), 6)
    await checkLeft(place)
    await assert.rejects(readLeft(path, 5), crashed)
    await assert.rejects(openLeft(join(place, 'none')), { code: 'ENOENT' })
  })

  const leavings = {
    'a link': `ln -s "$CANARY"`,
    'a pipe': 'mkfifo',
    'a folder': 'mkdir',
    // Of what is in the folder itself; to what is outside a sandbox lets nobody make one.
    'two names of one file': 'echo frames > .first && ln .first',
  }
  const program = async (name: string, script: string) => {
    const path = join(folder, name)
    await writeFile(path, `#!/bin/sh\nCANARY=${canary}\n${script}\n`, { mode: 0o755 })
    return path
  }

  for (const [at, [name, command]] of Object.entries(leavings).entries()) {
    test(`ends as a crash of ffmpeg, with nothing stored, when that leaves ${name}`, async () => {
      // The real one, whose files become something else when they are done.
      const script = `ffmpeg "$@" || exit 1\n[ "$1" = -hide_banner ] && exit 0\nfor one in *; do rm -f "$one"; ${command} "$one"; done; exit 0`
      const bed = await openTestbed({ env: { FFMPEG_PATH: await program(`ffmpeg-${at}`, script) } })
      try {
        const clip = join(folder, 'clip.mp4')
        await ffmpeg('-f', 'lavfi', '-i', 'testsrc2=size=160x120:rate=25:duration=1', '-pix_fmt', 'yuv420p', clip)
        await assert.rejects(bed.process(clip, { media_type: 'video' }), crashed)
        const stored = await readdir(join(bed.folder, 'objects', 'processed'), { recursive: true }).catch(() => [])
        assert.deepEqual(
          stored.filter((one) => /\.\w+$/.test(one)),
          [],
        )
        assert.equal(await readFile(canary, 'utf8'), 'a key of the house')
      } finally {
        await bed.close()
      }
    })

    test(`ends as a crash of a converter of pictures that leaves ${name}`, async () => {
      const workRoot = await mkdtemp(join(folder, 'work-'))
      const into = await mkdtemp(join(folder, 'made-'))
      const converter = {
        program: await program(`convert-${at}`, `${command} converted.jpg`),
        version: '0.0',
        turnsUpright: true,
      }
      const pictures = openPictures({
        ...{
          runner: openRunner({ sandbox: await probeSandbox('auto'), clock: systemClock }),
          workRoot,
          chance: systemChance,
        },
        converters: { heic: converter, avif: converter },
        decodedWhole: () => ({ heic: 1, avif: 1 }),
      })
      try {
        const path = join(into, 'photo.avif')
        await sharp({ create: { width: 64, height: 48, channels: 3, background: '#369' } })
          .avif({ effort: 0 })
          .toFile(path)
        const order = { source: { path }, folder: into, memory: 512, maxPixels: 1e6, isSvg: false }
        const { signal } = new AbortController()
        await assert.rejects(pictures.make({ ...order, wanted: 'picture', signal }), crashed)
        assert.deepEqual(await readdir(into), ['photo.avif'])
      } finally {
        await pictures.close()
      }
    })
  }
})
