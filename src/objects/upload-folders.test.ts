import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../media/clock.ts'
import { openUploadFolders } from './upload-folders.ts'

test('an upload that cannot be begun leaves no folder', async () => {
  const root = await mkdtemp(join(tmpdir(), 'upload-folders-'))
  const place = { folder: root, data: join(root, 'a'), sidecar: join(root, '.a.json') }
  const folders = openUploadFolders({
    ...{ root, clock: systemClock, locate: () => place },
    newPath: () => join(root, 'aside'),
  })
  const full = Object.assign(new Error('no space left'), { code: 'ENOSPC' })
  const about = {
    ...{ ref: { bucket: 'b', key: 'a' }, content_type: 'video/mp4', part_size: null, created: 0 },
    // Fails when two of the three files are there.
    toJSON: () => {
      throw full
    },
  }
  await assert.rejects(folders.make('0'.repeat(32), about), full)
  assert.deepEqual(await readdir(root), [])
  await rm(root, { recursive: true })
})
