import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { formOf } from '../samples.ts'
import type { Target } from '../target.ts'
import type { Attack, Given } from './attack.ts'

export interface Outcome {
  /** A refusal's code, a failure's, or `processed`. */
  ended: string
  seconds: number
  /** Bytes of resident memory that the hungriest process of a tool held. */
  peak: number
}

/** Sends a hostile file through the form door, waits for its end, and reads all that was made of it. */
export async function besiege(target: Target, attack: Attack, given: Given): Promise<Outcome> {
  const bytes = new Uint8Array(await attack.bytes(given))
  const began = Date.now()
  const watch = watchTools(target.pid)
  try {
    const ended = await send(target.url, attack, bytes, given.aims.words)
    return { ended, seconds: (Date.now() - began) / 1000, peak: watch.peak() }
  } finally {
    watch.stop()
  }
}

async function send(url: string, { name, filename }: Attack, bytes: BlobPart, words: string): Promise<string> {
  const form = formOf({ title: name, file: new File([bytes], filename) })
  const answer = await fetch(`${url}/api/media/upload`, { method: 'POST', body: form })
  const said: any = await answer.json()
  if (answer.status !== 201) return said.code
  const record = await finalRecord(url, said.media_id)
  if (record.status !== 'processed') return record.error.code
  for (const rendition of record.renditions) {
    const made = await fetch(`${url}/api/media/download/${record.media_id}?rendition=${rendition.name}`)
    assert.equal(made.status, 200, `${rendition.name}: ${made.status}`)
    assert.ok(!Buffer.from(await made.arrayBuffer()).includes(words), `${rendition.name} shows what it must not`)
  }
  return record.status
}

async function finalRecord(url: string, media_id: string): Promise<any> {
  for (;;) {
    const record: any = await (await fetch(`${url}/api/media/${media_id}`)).json()
    if (['processed', 'failed'].includes(record.status)) return record
    await sleep(50)
  }
}

/** Looks at the processes below one, and keeps the most that one of them held. */
function watchTools(pid: number): { peak: () => number; stop: () => void } {
  let peak = 0
  let over = false
  const look = async () => {
    while (!over) {
      for (const child of await descendantsOf(pid)) peak = Math.max(peak, await memoryOf(child))
      await sleep(30)
    }
  }
  void look()
  return {
    peak: () => peak,
    stop: () => {
      over = true
    },
  }
}

async function descendantsOf(root: number): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const stats = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '')))
  const parents = stats.map((stat) => Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]))
  const found = [root]
  for (const pid of found) found.push(...pids.filter((_, at) => parents[at] === pid))
  return found.slice(1)
}

/** The most it has ever held. */
async function memoryOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '')
  return Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024
}
