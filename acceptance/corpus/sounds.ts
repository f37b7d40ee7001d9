import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { run } from './outputs.ts'

/** Sound and what is drawn of it, looked at with the eyes of others. */

/** Integrated loudness (LUFS) and true peak (dBTP), as ffmpeg measures them. */
export async function loudnessOf(path: string): Promise<{ loudness: number; peak: number }> {
  const meter = ['-map', '0:a:0', '-af', 'ebur128=peak=true', '-f', 'null', '-']
  const said = await run('ffmpeg', ['-nostdin', '-hide_banner', '-nostats', '-i', path, ...meter])
  const end = said.slice(said.lastIndexOf('Summary:'))
  const [, loudness, peak] = /I:\s+(\S+) LUFS[^]*Peak:\s+(\S+) dBFS/.exec(end) ?? []
  return { loudness: Number(loudness), peak: peak === '-inf' ? Number.NEGATIVE_INFINITY : Number(peak) }
}

/** audiowaveform's format: pairs of a lowest and a highest value, not too many. */
export async function checkWaveform(path: string): Promise<void> {
  const { data, ...head } = JSON.parse(await readFile(path, 'utf8'))
  const { length, samples_per_pixel } = head
  assert.deepEqual(head, { version: 2, channels: 1, sample_rate: 48_000, samples_per_pixel, bits: 8, length })
  assert.ok(length >= 1 && length <= 2_000 && Number.isInteger(samples_per_pixel))
  assert.equal(data.length, length * 2)
  for (let at = 0; at < data.length; at += 2) {
    const [low, high] = [data[at], data[at + 1]]
    assert.ok(low <= high && low >= -128 && high <= 127, `${low} to ${high}`)
  }
}
