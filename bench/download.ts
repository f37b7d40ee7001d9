import { execFileSync } from 'node:child_process'
import { formOf, makeSample } from '../acceptance/samples.ts'
import { startTarget } from '../acceptance/target.ts'
import { type Figures, load, median } from './load.ts'

/**
 * `GET /api/media/download/{media_id}` of one service on one core, the load on the other: each answer a fresh signature.
 * `node bench/download.ts [ROUNDS]`
 */
const requests = 30_000

async function bench([rounds = '5']: string[]): Promise<void> {
  const service = await startTarget()
  try {
    const body = formOf({ title: 'Bench', file: await makeSample('photo.jpg') })
    const answer = await fetch(`${service.url}/api/media/upload`, { method: 'POST', body })
    const { media_id } = (await answer.json()) as { media_id: string }
    await processed(`${service.url}/api/media/${media_id}`)
    execFileSync('taskset', ['-acp', '0', String(service.pid)])
    execFileSync('taskset', ['-acp', '1', String(process.pid)])
    const urls = Array<string>(requests).fill(`${service.url}/api/media/download/${media_id}`)
    await load(service.pid, urls, { status: 302 })
    const figures: Figures[] = []
    for (let round = 0; round < Number(rounds); round++) figures.push(await load(service.pid, urls, { status: 302 }))
    const rate = median(figures.map((one) => one.perSecond))
    const cpu = median(figures.map((one) => one.cpuMicros))
    console.log(`${rate.toFixed(0)} downloads/s, ${cpu.toFixed(0)} µs CPU each`)
  } finally {
    await service.stop()
  }
}

async function processed(url: string): Promise<void> {
  for (;;) {
    const { status } = (await (await fetch(url)).json()) as { status: string }
    if (status === 'processed') return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

await bench(process.argv.slice(2))
