import assert from 'node:assert/strict'
import { constants } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { openBuffers } from './buffers.ts'
import { openDataFile } from './data-file.ts'

describe('data file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'data-file-'))
  after(() => rm(folder, { recursive: true }))
  const buffers = openBuffers({ shared: true })

  /** A buffer of the pool, filled with a number. */
  const filled = (number: number, length = 256 * 1024) => buffers.take().fill(number).subarray(0, length)

  test('writes come to their places, whole blocks or not, in whatever order they are asked for', async () => {
    const path = join(folder, 'places')
    const file = await openDataFile(path, 'wx')
    const block = 256 * 1024
    const writes = [
      ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => ({ bytes: filled(n + 1), at: n * block })),
      { bytes: filled(20, 1_000), at: 12 * block },
      { bytes: filled(21), at: 12 * block + 1_000 },
      { bytes: Buffer.alloc(64 * 1024, 22), at: 10 * block },
      { bytes: filled(23), at: 3 * block },
    ]
    await Promise.all(writes.map(({ bytes, at }) => file.write(bytes, at)))
    await file.close()
    const expected = Buffer.alloc(13 * block + 1_000)
    for (const { bytes, at } of writes) expected.set(bytes, at)
    assert.ok(expected.equals(await readFile(path)))
  })

  test('whole blocks of aligned memory go past the cache, where the file system can', async (t) => {
    const file = await openDataFile(join(folder, 'straight'), 'wx')
    await file.write(Buffer.alloc(1_000), 0)
    assert.equal(await countStraight(), 0, 'a small file has one descriptor')
    await file.write(filled(1), 1024 * 1024)
    t.diagnostic(`${await countStraight()} descriptor past the cache`)
    // Wherever these tests run there is a disk below the temporary folder.
    assert.equal(await countStraight(), 1)
    await file.close()
    assert.equal(await countStraight(), 0)
  })

  test('a write that fails is told to its caller, and the next ones go on', async () => {
    const path = join(folder, 'failing')
    await writeFile(path, '')
    const file = await openDataFile(path, 'r')
    await assert.rejects(file.write(filled(1, 1_000), 0), { code: 'EBADF' })
    await file.write(filled(2, 4096), 0) // past the cache, by a descriptor of its own
    await file.close()
    assert.equal((await readFile(path)).length, 4096)
  })

  async function countStraight(): Promise<number> {
    const flags = await Promise.all(
      (await readdir('/proc/self/fdinfo')).map((fd) => readFile(`/proc/self/fdinfo/${fd}`, 'utf8').catch(() => '')),
    )
    return flags.filter((text) => Number.parseInt(/flags:\s*(\d+)/.exec(text)?.[1] ?? '0', 8) & constants.O_DIRECT)
      .length
  }
})
