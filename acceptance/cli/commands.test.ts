import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { makeSample } from '../samples.ts'
import { startTarget, type Target } from '../target.ts'
import { openShell, type Shell, valuesOf } from './media.ts'

describe('media', () => {
  let target: Target
  let shell: Shell
  const media = async (...args: string[]) => await shell.media(...args)
  before(async () => {
    target = await startTarget()
    shell = await openShell(target.url)
    for (const name of ['clip.mp4', 'photo.jpg'] as const) {
      await writeFile(join(shell.folder, name), await (await makeSample(name)).bytes())
    }
    await writeFile(
      join(shell.folder, 'broken.mp4'),
      (await readFile(join(shell.folder, 'clip.mp4'))).subarray(0, 2000),
    )
  })
  after(async () => {
    await target.stop()
    await shell.remove()
  })

  test('a media from the file to its removal', async () => {
    const uploaded = await media('upload', 'clip.mp4', '--title', 'A clip', '--watch', '--json')
    assert.equal(uploaded.code, 0, uploaded.err)
    const [{ media_id, status } = {} as never] = valuesOf(uploaded)
    assert.equal(status, 'processed')

    const shown = await media('show', media_id)
    assert.match(shown.out, /^title +A clip$/m)
    assert.match(shown.out, /^720p +video\/mp4/m)
    const [record] = valuesOf(await media('show', media_id, '--json'))
    assert.equal(record?.['media_id'], media_id)

    const listed = await media('list', '--type', 'video', '--search', 'CLIP', '--status', 'processed')
    assert.match(listed.out, new RegExp(`^MEDIA_ID .*\\n${media_id}  processed   video .*  A clip\\n$`))

    assert.equal((await media('events', media_id)).out, `${media_id}  processed  A clip\n`)
    assert.equal((await media('retry', media_id)).code, 1, 'it has not failed')

    const unasked = await media('remove', media_id)
    assert.equal(unasked.code, 2)
    assert.match(unasked.err, /--yes/)
    assert.equal((await media('remove', media_id, '--yes')).code, 0)
    const gone = await media('show', media_id)
    assert.equal(gone.code, 5)
    assert.match(gone.err, /no such media.*\n.*media list/)
  })

  test('downloads, and goes on with what is there', async () => {
    const [{ media_id } = {} as never] = valuesOf(await media('upload', 'clip.mp4', '--anew', '--watch', '--json'))
    const piped = await media('download', media_id, '-r', '720p', '--address')
    const whole = Buffer.from(await (await fetch(piped.out.trim())).arrayBuffer())
    const name = createHash('sha256').update(new URL(piped.out).pathname).digest('hex').slice(0, 12)
    // The first half, with a mark, to see that it is not fetched again.
    const half = Buffer.concat([Buffer.from('mark'), whole.subarray(4, whole.length >> 1)])
    await writeFile(join(shell.folder, `.out.mp4.${name}.part`), half)
    const saved = await media('download', media_id, '-r', '720p', '-o', 'out.mp4')
    assert.equal(saved.code, 0, saved.err)
    const bytes = await readFile(join(shell.folder, 'out.mp4'))
    assert.deepEqual(bytes, Buffer.concat([Buffer.from('mark'), whole.subarray(4)]))

    const again = await media('download', media_id, '-o', 'out.mp4')
    assert.equal(again.code, 1)
    assert.match(again.err, /out\.mp4 is there already\.\n.*--force/)
    assert.equal((await media('download', media_id, '-r', '720p', '-o', 'out.mp4', '--force')).code, 0)
    assert.deepEqual(await readFile(join(shell.folder, 'out.mp4')), whole)
    const missing = await media('download', media_id, '-r', 'nothing')
    assert.equal(missing.code, 5)
    assert.match(missing.err, /It has: .*720p/)
    assert.match((await media('download', media_id, '-r', 'hls')).err, /--address/)
  })

  test('a failed media says why, and is tried again', async () => {
    const failed = await media('upload', 'broken.mp4', '--watch')
    assert.equal(failed.code, 1)
    assert.match(failed.err, /failed {2}broken\.mp4: The file is damaged/)
    const [{ media_id } = {} as never] = valuesOf(await media('list', '--status', 'failed', '--json'))
    const retried = await media('retry', media_id, '--watch')
    assert.equal(retried.code, 1)
    assert.match(retried.out, new RegExp(`${media_id} {2}failed {2}broken`))
  })

  test('of several, one that fails leaves the others alone', async () => {
    const [one, other] = valuesOf(await media('upload', 'photo.jpg', 'clip.mp4', '--anew', '--watch', '--json'))
    const ids = [one?.['media_id'], 'unknown', other?.['media_id']]
    for (const command of [['show'], ['download', '--address'], ['remove', '--yes']]) {
      const said = await media(...command, ...ids, '--json')
      assert.equal(said.code, 5, said.err)
      assert.deepEqual(
        valuesOf(said).map(({ media_id }) => media_id),
        [ids[0], ids[2]],
        command.join(' '),
      )
      const { error } = JSON.parse(said.err)
      assert.deepEqual([error.media_id, error.code], ['unknown', 'not_found'])
    }
    const again = await media('retry', ...ids)
    assert.equal(again.code, 5)
    assert.match(again.err, /^media: unknown: There is no such media, or it is not yours\.$/m)
  })

  test('errors say what to do, and end with their own code', async () => {
    const cases: [args: string[], code: number, says: RegExp][] = [
      [[], 2, /^$/],
      [['lst'], 2, /no `media lst`.\nDid you mean `media list`\?/],
      [['list', '--stats', 'x'], 2, /no option --stats.\nDid you mean --status\?/],
      [['list', '--status', 'x'], 2, /--status takes uploading, .*; it is "x"/],
      [['list', '-n', '0'], 2, /--limit takes a whole number/],
      [['show'], 2, /needs MEDIA_ID….\nUsage: media show MEDIA_ID…/],
      [['upload', 'nothing.mp4'], 5, /nothing\.mp4 is not there\.\nNothing was uploaded/],
      [['upload', '-x.jpg'], 2, /no option -x\.\nA file whose name begins with - stands after --\. /],
      [['upload', '--', '-x.jpg'], 5, /-x\.jpg is not there/],
      [['upload', '.'], 2, /is a folder\.\nSay -r/],
      [['upload', 'clip.mp4', 'photo.jpg', '--title', 'x'], 2, /--title is for one file; these are 2/],
      [['list', '--url', 'nonsense'], 2, /--url takes the service's address/],
      [['list', '--url', 'http://127.0.0.1:9'], 3, /No answer from http:\/\/127\.0\.0\.1:9.*\n.*media serve/],
      [['list', '--token-file', 'nothing'], 5, /--token-file nothing cannot be read \(ENOENT\)/],
    ]
    for (const [args, code, says] of cases) {
      const said = await media(...args)
      assert.equal(said.code, code, `${args.join(' ')}: ${said.err}`)
      assert.match(said.err, says)
    }
    const asJson = await media('show', 'unknown', '--json')
    assert.equal(JSON.parse(asJson.err).error.code, 'not_found')
  })

  test('what is read no further ends well', async () => {
    const run = shell.start(['list', '--all', '--json'])
    run.child.stdout?.destroy()
    assert.equal((await run.ended).code, 0)
  })
})

describe('media and its token', () => {
  test('is asked for, is read from a file, and is not shown', async () => {
    const folderOfKeys = await openShell('')
    const keys = join(folderOfKeys.folder, 'keys')
    await writeFile(keys, `${createHash('sha256').update('the-key').digest('hex')} ada\n`)
    const target = await startTarget({ env: { AUTH_API_KEYS_FILE: keys } })
    const shell = await openShell(target.url)
    try {
      const without = await shell.media('list')
      assert.equal(without.code, 4)
      assert.match(without.err, /--token-file or MEDIA_TOKEN/)
      await writeFile(join(shell.folder, 'token'), 'the-key\n')
      assert.equal((await shell.media('list', '--token-file', 'token')).code, 0)
      assert.equal((await shell.start(['list'], { MEDIA_TOKEN: 'the-key' }).ended).code, 0)
      const wrong = await shell.media('list', '--token', 'not the key')
      assert.equal(wrong.code, 2)
      assert.doesNotMatch(wrong.err, /not the key/)
    } finally {
      await target.stop()
      await shell.remove()
      await folderOfKeys.remove()
    }
  })
})
