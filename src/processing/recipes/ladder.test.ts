import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { videoProfile } from '../profile.ts'
import { planLadder } from './ladder.ts'

describe('the ladder of sizes', () => {
  const cases: [string, string][] = [
    ['3840x2160', '1080p 1920x1080, *720p 1280x720, 540p 960x540, 360p 640x360'],
    ['1920x1080', '1080p 1920x1080, *720p 1280x720, 540p 960x540, 360p 640x360'],
    ['1080x1920', '1080p 1080x1920, *720p 720x1280, 540p 540x960, 360p 360x640'],
    ['1280x720', '*720p 1280x720, 540p 960x540, 360p 640x360'],
    // Its own size, and named by the smallest class that holds it.
    ['854x480', '*540p 854x480, 360p 640x360'],
    ['640x360', '*360p 640x360'],
    ['176x144', '*360p 176x144'],
    ['161x121', '*360p 160x120'],
    // A size that hardly differs is no rung.
    ['1300x730', '*720p 1280x718, 540p 960x540, 360p 640x360'],
    ['1000x562', '*720p 1000x562, 360p 640x360'],
    ['1400x800', '1080p 1400x800, *720p 1260x720, 540p 946x540, 360p 630x360'],
  ]
  for (const [source, expected] of cases) {
    test(`of ${source}`, () => {
      const [width = 0, height = 0] = source.split('x').map(Number)
      const ladder = planLadder({ width, height }, videoProfile.rungs, 30)
      const said = ladder.map(({ name, size, isMain }) => `${isMain ? '*' : ''}${name} ${size.width}x${size.height}`)
      assert.equal(said.join(', '), expected)
    })
  }

  test('bits are allowed in proportion to pixels, and more for more frames', () => {
    const ceilings = (width: number, height: number, rate: number) =>
      planLadder({ width, height }, videoProfile.rungs, rate).map(({ ceiling }) => ceiling)
    assert.deepEqual(ceilings(1920, 1080, 30), [8_000_000, 4_000_000, 2_200_000, 1_000_000])
    assert.deepEqual(ceilings(1280, 720, 60)[0], Math.round(4_000_000 * Math.SQRT2))
    assert.deepEqual(ceilings(854, 480, 25)[0], Math.round((2_200_000 * 854 * 480) / (960 * 540)))
    assert.deepEqual(ceilings(64, 64, 25), [300_000])
  })
})
