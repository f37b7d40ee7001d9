import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readCues, startOf } from './text-track.ts'

test('cues are what WebVTT says they are', () => {
  assert.deepEqual(readCues('WEBVTT'), [])
  assert.deepEqual(
    readCues(
      '\ufeffWEBVTT - a title\r\n\r\nNOTE\r\nx\r\n\r\na\r\n01:00.000 --> 01:01.000 align:start\r\n<v Ada>Hi\r\n',
    ),
    ['01:00.000 --> 01:01.000 align:start\n<v Ada>Hi'],
  )
  for (const wrong of ['', 'WEBVTTX', 'WEBVTT\n\n00:02.000 --> 00:01.000\nx', 'WEBVTT\n\n0:1 --> 0:2\nx', 'WEBVTT\0']) {
    assert.equal(readCues(wrong), null, wrong)
  }
  assert.equal(startOf('01:02:03.500 --> 01:02:04.000 align:start\nHi'), 3723.5)
})
