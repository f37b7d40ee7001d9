import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findTools } from './find.ts'

test('tools that are missing, or something else, are named with their setting', async () => {
  const cases: [{ ffmpeg?: string; ffprobe?: string }, RegExp][] = [
    [{ ffmpeg: '/nowhere/ffmpeg' }, /^ffmpeg was not found .* FFMPEG_PATH\.$/],
    [{ ffprobe: '/nowhere/ffprobe' }, /^ffprobe was not found .* FFPROBE_PATH\.$/],
    [{ ffmpeg: process.execPath }, /FFMPEG_PATH\.$/],
    [{ ffprobe: process.execPath }, /FFPROBE_PATH\.$/],
  ]
  for (const [change, said] of cases) {
    const { tools, problem } = await findTools({ ffmpeg: 'ffmpeg', ffprobe: 'ffprobe', ...change })
    assert.equal(tools, null)
    assert.match(problem ?? '', said)
  }
  const { tools } = await findTools({ ffmpeg: 'ffmpeg', ffprobe: 'ffprobe' })
  assert.match(tools?.ffprobe ?? '', /^\/.*ffprobe$/)
})
