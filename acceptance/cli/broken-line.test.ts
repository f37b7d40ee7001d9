import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { openLine } from '../line.ts'
import { freePort } from '../ports.ts'
import { makeSample } from '../samples.ts'
import { startTarget, type Target } from '../target.ts'
import { openShell, type Shell, valuesOf } from './media.ts'

/** Bytes of an answer after which the line breaks. */
const breaksAfter = 200_000

describe('media download over a line that breaks', () => {
  let target: Target
  let shell: Shell
  let line: Awaited<ReturnType<typeof openBreakingLine>>
  before(async () => {
    const port = await freePort()
    line = await openBreakingLine(port)
    target = await startTarget({ env: { PORT: String(port), PUBLIC_URL: line.url } })
    shell = await openShell(line.url)
  })
  after(async () => {
    await line.close()
    await target.stop()
    await shell.remove()
  })

  test('comes whole, each byte once', async () => {
    const film = [
      '-f',
      'lavfi',
      '-i',
      'testsrc2=s=1280x720:d=3,noise=alls=30',
      '-c:v',
      'libx264',
      '-preset',
      'ultrafast',
    ]
    const out = join(shell.folder, 'film.mp4')
    await promisify(execFile)('ffmpeg', ['-v', 'error', ...film, '-pix_fmt', 'yuv420p', out])
    const uploaded = await shell.media('upload', 'film.mp4', '--watch', '--json', '--url', target.url)
    const [{ media_id } = {} as never] = valuesOf(uploaded)
    const record = valuesOf(await shell.media('show', media_id, '--json'))[0] ?? assert.fail()
    const size = record['renditions'].find(({ name }: { name: string }) => name === '720p').file_size
    assert.ok(size > 4 * breaksAfter, `only ${size} bytes`)

    const saved = await shell.media('download', media_id, '-o', 'saved.mp4')
    assert.equal(saved.code, 0, saved.err)
    assert.ok(line.broken() >= 4, `it broke only ${line.broken()} times`)
    const address = (await shell.media('download', media_id, '--address', '--url', target.url)).out.trim()
    const whole = Buffer.from(
      await (
        await fetch(address.replace(line.url, target.url), { headers: { host: new URL(line.url).host } })
      ).arrayBuffer(),
    )
    assert.ok((await readFile(join(shell.folder, 'saved.mp4'))).equals(whole))
    assert.deepEqual(
      (await readdir(shell.folder)).filter((name) => name.endsWith('.part')),
      [],
    )

    const { out: piped } = await shell.media('download', media_id, '-o', '-', '-r', 'thumbnail')
    assert.ok(piped.length > 0)
  })
})

describe('media remove at a terminal', () => {
  test('asks, and takes no for an answer', async () => {
    const target = await startTarget({ role: 'serve' })
    const shell = await openShell(target.url)
    try {
      await writeFile(join(shell.folder, 'photo.jpg'), await (await makeSample('photo.jpg')).bytes())
      const [{ media_id } = {} as never] = valuesOf(await shell.media('upload', 'photo.jpg', '--json'))
      const launcher = join(import.meta.dirname, '../../cli/media.mjs')
      const answered = async (answer: string) => {
        const env = {
          PATH: process.env['PATH'],
          HOME: shell.folder,
          MEDIA_URL: target.url,
          TERM: 'dumb',
          NO_COLOR: '1',
        }
        const child = spawn('script', ['-qec', `${process.execPath} ${launcher} remove ${media_id}`, '/dev/null'], {
          env,
        })
        let said = ''
        child.stdout.setEncoding('utf8').on('data', (text) => {
          said += text
          if (text.includes('[y/N]')) child.stdin.write(`${answer}\n`)
        })
        const [code] = await once(child, 'close')
        return { code, said }
      }
      const no = await answered('')
      assert.match(no.said, /photo[\s\S]*Remove it with all files\? \[y\/N\]/)
      assert.equal(no.code, 1)
      assert.equal((await shell.media('show', media_id)).code, 0)
      const yes = await answered('y')
      assert.equal(yes.code, 0, yes.said)
      assert.equal((await shell.media('show', media_id)).code, 5)
    } finally {
      await target.stop()
      await shell.remove()
    }
  })
})

/** A line to the service that breaks whenever it has brought so many bytes. */
async function openBreakingLine(port: number) {
  let broken = 0
  const line = await openLine(port, (client, service) => {
    let brought = 0
    client.pipe(service)
    service.on('data', (bytes) => {
      brought += bytes.length
      if (brought <= breaksAfter) return void client.write(bytes)
      broken++
      // What it has brought so far still arrives.
      service.destroy()
      client.end()
    })
  })
  return { ...line, broken: () => broken }
}
