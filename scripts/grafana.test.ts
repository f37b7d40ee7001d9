import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { openEdgeFigures } from '../src/delivery/figures.ts'
import { systemClock } from '../src/media/clock.ts'
import { silentLog } from '../src/media/log.ts'
import { openMetrics } from '../src/worker/metrics.ts'

interface Panel {
  title: string
  type: string
  description?: string
  targets?: { expr: string }[]
}

const page = readFileSync(join(import.meta.dirname, '../docs/grafana.json'), 'utf8')
const { panels } = JSON.parse(page) as { panels: Panel[] }

/** Each metric that a process or an edge of its own tells, by name, with its labels. */
async function metricsTold(): Promise<Map<string, string>> {
  const metadata = {
    countJobs: async () => ({ held: 0, queued: 0, running: 0, done: 0, parked: 0 }),
    oldestDue: async () => null,
    listWorkers: async () => [],
  }
  const queue = { depth: async () => ({ tasks: 0, 'tasks-long': 0 }) }
  const metrics = openMetrics({ queue, metadata, clock: systemClock, log: silentLog })
  const edge = openEdgeFigures({ storage: { bytes: () => 0, limit: 0 } })
  const text = (await metrics.text()) + (await edge.text())
  await metrics.stop()
  return new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]))
}

function namesIn(expr: string): string[] {
  return [...expr.matchAll(/\b(?:media|process|nodejs)_[a-z_]+\b/g)].map(([name]) => name)
}

describe('docs/grafana.json', () => {
  test('every query names metrics that exist, in the form their type has', async () => {
    const told = await metricsTold()
    let queries = 0
    for (const { title, targets = [] } of panels) {
      for (const { expr } of targets) {
        queries += 1
        const names = namesIn(expr)
        assert.ok(names.length > 0, `${title}: ${expr}`)
        for (const name of names) {
          const [, base = name, part] = /^(.*?)(?:_(bucket|sum|count))?$/.exec(name) ?? []
          const type = told.get(part && told.get(base) === 'histogram' ? base : name)
          assert.ok(type, `${title} asks for ${name}, which nobody tells`)
          if (type === 'counter') assert.match(expr, /rate\(/, `${title}: a counter without its rate`)
          if (type === 'histogram') assert.ok(part, `${title}: ${name} is a histogram`)
        }
      }
    }
    assert.ok(queries > 20)
  })

  test('shows every metric of the service', async () => {
    const shown = new Set(panels.flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => namesIn(expr))))
    const ours = [...(await metricsTold()).keys()].filter((name) => name.startsWith('media_'))
    const missing = ours.filter(
      (name) => ![...shown].some((one) => one.replace(/_(bucket|sum|count)$/, '') === name || one === name),
    )
    assert.deepEqual(missing, [])
  })

  test('says of each panel what it shows', () => {
    for (const { title, type, description } of panels) assert.ok(type === 'row' || description, title)
  })
})
