import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { makeSample } from '../samples.ts'
import { startTarget, type Target } from '../target.ts'
import { openShell, type Running, type Shell, valuesOf } from './media.ts'
import { openTerminal } from './terminal.ts'

const launcher = join(import.meta.dirname, '../../cli/media.mjs')
const [width, height] = [100, 30]

/** Names as people and cameras give them. */
const oddNames = [
  'with spaces and "quotes".jpg',
  'Übergröße Ärger.jpg',
  'U\u0308bergro\u0308ße of another system.jpg',
  '-dash.jpg',
  '--watch.jpg',
  'two\nlines.jpg',
  'a very long name that goes on and on and on until it does not fit beside a bar of any width at all.jpg',
  '旅行の写真とても長い名前のファイルです東京タワーから見た夜景とても長い名前のファイルです東京タワー.jpg',
  '👩‍👩‍👧‍👦 family 🎉.jpg',
  '%2e%2e;$(reboot)`id`.jpg',
]

describe('a folder of 200 files of which two are broken', () => {
  let target: Target
  let shell: Shell
  let settings: string
  before(async () => {
    settings = await mkdtemp(join(tmpdir(), 'media-profiles-'))
    // Small, so that it takes seconds: what is asked is what becomes of each.
    const PROFILES_FILE = join(settings, 'profiles.json')
    await writeFile(PROFILES_FILE, JSON.stringify({ default: { image: { widths: [32], avif: null } } }))
    target = await startTarget({ env: { PROFILES_FILE } })
    shell = await openShell(target.url)
    await fillFolder(join(shell.folder, 'many'))
  })
  after(async () => {
    await target.stop()
    await shell.remove()
    await rm(settings, { recursive: true, force: true })
  })

  test('at a terminal there are bars, Ctrl-C ends it, and the same command goes on to the end', async () => {
    const seen = await untilCtrlC(shell, ['upload', '-r', 'many', '--watch'])
    assert.equal(seen.code, 130)
    const terminal = openTerminal({ width, height })
    terminal.write(seen.text)
    const lines = terminal.lines().join('\n')
    assert.doesNotMatch(lines, /[█░]/, 'bars are left')
    const done = lines.match(/^[\w-]+ {2}processed {3}many\//gm)?.length ?? 0
    assert.match(
      lines,
      new RegExp(`^media: Stopped\\.\\n${done} of 200 files are done\\. Run the same command again`, 'm'),
    )
    assert.match(seen.text, /\d+ of 200 files {2}[\d.]+ .?B of [\d.]+ .?B/)

    // A camera goes on filling its card.
    await writeFile(join(shell.folder, 'many', 'one more.jpg'), await photo())
    const run = shell.start(['upload', '-r', 'many', '--watch', '--json'])
    const peak = peakOf(run)
    const said = await run.ended
    assert.equal(said.code, 1, said.err)
    const values = valuesOf(said)
    assert.equal(new Set(values.map(({ file }) => file)).size, 201)
    assert.equal(values.length, 201, 'a line for each')
    assert.ok(values.filter(({ resumed }) => resumed).length >= done)
    const failed = values.filter(({ status }) => status !== 'processed')
    assert.deepEqual(failed.map(({ file, error }) => [file, error.code]).sort(), [
      ['many/2019/below/holiday film.mp4', 'undecodable'],
      ['many/notes.jpg', 'unsupported_media'],
    ])
    for (const { error } of failed) assert.match(error.message, /^[A-Z].+\.$/)

    const stored = valuesOf(await shell.media('list', '--all', '--json'))
    // What is no media is not taken in.
    assert.equal(stored.length, 200, 'none is there twice')
    assert.equal(stored.filter(({ status }) => status === 'processed').length, 199)
    for (const name of oddNames) {
      const shown = name.normalize('NFC').replace(/\n/, ' ')
      assert.ok(
        stored.some(({ filename }) => filename === shown),
        `${JSON.stringify(name)} has another name`,
      )
    }
    assert.ok((await peak) < 160, `it took ${await peak} MB`)
  })

  test('the summary says which failed and why; what is known is not sent again', async () => {
    const said = await shell.media('upload', '-r', 'many', '--watch')
    assert.equal(said.code, 1)
    const summary = said.err.slice(said.err.indexOf('199 of 201 files processed.'))
    assert.match(summary, /^199 of 201 files processed\.\n2 failed:\n/)
    assert.match(summary, /^ {2}many\/2019\/below\/holiday film\.mp4: .+$/m)
    assert.match(summary, /^ {2}many\/notes\.jpg: This is no image, video or sound.+$/m)
    assert.equal(said.out.match(/\(uploaded before\)$/gm)?.length, 199)
    assert.match(said.out, /many\/2019\/two\ufffdlines\.jpg/, 'no name moves the cursor')
  })
})

async function photo(): Promise<Uint8Array> {
  return await (await makeSample('photo.jpg')).bytes()
}

/** 198 good ones, in folders of their own too; a film without its end, and a text that is named as a picture. */
async function fillFolder(folder: string): Promise<void> {
  await mkdir(join(folder, '2019', 'below'), { recursive: true })
  const [picture, film] = [await tinyPhoto(), await (await makeSample('clip.mp4')).bytes()]
  for (const name of oddNames) await writeFile(join(folder, '2019', name), picture)
  await writeFile(join(folder, '2019', 'good film.mp4'), film)
  for (let n = 1; n <= 198 - oddNames.length - 1; n++) {
    await writeFile(
      join(folder, n % 3 ? '' : '2019/below', `picture ${n}.jpg`),
      Buffer.concat([picture, Buffer.from([n])]),
    )
  }
  await writeFile(join(folder, '2019', 'below', 'holiday film.mp4'), film.subarray(0, film.length >> 1))
  await writeFile(join(folder, 'notes.jpg'), 'no picture at all')
  await writeFile(join(folder, '.hidden.jpg'), picture)
  await symlink('..', join(folder, '2019', 'circle'))
}

async function tinyPhoto(): Promise<Buffer> {
  const made = 'ffmpeg -v error -f lavfi -i testsrc2=size=64x48 -frames:v 1 -f mjpeg -'.split(' ')
  const { stdout } = await promisify(execFile)(made[0] ?? '', made.slice(1), { encoding: 'buffer' })
  return stdout
}

/** Types the command at a terminal, and Ctrl-C once some are done. */
async function untilCtrlC({ folder, url }: Shell, args: string[]): Promise<{ code: number | null; text: string }> {
  const typed = `stty cols ${width} rows ${height}; exec ${process.execPath} ${launcher} ${args.join(' ')}`
  const { PATH } = process.env
  const env = { PATH, HOME: folder, MEDIA_URL: url, TERM: 'xterm', LANG: 'C.UTF-8' }
  const log = join(folder, 'seen')
  const child = spawn('script', ['-qefc', typed, log], { cwd: folder, env, stdio: ['pipe', 'pipe', 'ignore'] })
  let text = ''
  let typedIt = false
  child.stdout.setEncoding('utf8').on('data', (more) => {
    text += more
    if (typedIt || (text.match(/processed /g)?.length ?? 0) <= 40) return
    typedIt = true
    child.stdin.write('\x03')
  })
  const [code] = await once(child, 'close')
  return { code, text }
}

/** The most memory that it had, in MB. */
async function peakOf({ child }: Running): Promise<number> {
  let peak = 0
  while (child.exitCode === null && child.signalCode === null) {
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '')
    peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return peak
}
