import { type Config, readConfig } from '../config.ts'
import { systemChance, systemClock } from '../media/clock.ts'
import { examineEngines } from './doctor/engines.ts'
import { error, type Finding, wordsOf } from './doctor/finding.ts'
import { examineFit, examineKeys } from './doctor/keys.ts'
import { examineDisk, examinePorts, examineRuntime } from './doctor/machine.ts'
import { examineTools } from './doctor/tools.ts'
import { doesJobs } from './engines.ts'
import type { Role } from './site.ts'

export type { Finding } from './doctor/finding.ts'

/**
 * Looks at whatever a process of the role needs, with the rooms' own eyes, and changes nothing.
 * Findings come as soon as they are made; a check that breaks is a finding too.
 */
export async function* examine(role: Role, env: Record<string, string | undefined>): AsyncGenerator<Finding> {
  yield examineRuntime()
  let config: Config
  try {
    config = readConfig(env)
  } catch (cause) {
    for (const line of wordsOf((cause as Error).message).split('\n'))
      yield error('settings', line, 'The others are looked at once this is right.')
    return
  }
  const given = { clock: systemClock, chance: systemChance }
  const rooms: Record<string, () => Promise<Finding[]>> = {
    settings: async () => await examineFit(config, role),
    tools: async () => (doesJobs(role) ? await examineTools(config, role) : []),
    disk: async () => await examineDisk(config, given.clock),
    keys: async () => await examineKeys(config, role, given.chance),
    ports: async () => await examinePorts(config, role),
    engines: async () => await examineEngines(config, given),
  }
  for (const [room, look] of Object.entries(rooms)) {
    yield* await look().catch((cause) => [
      error(room, wordsOf(cause), 'This check itself broke: tell who made the service.'),
    ])
  }
}

/** A finding for a person. */
export function findingLines({ check, status, detail, mend }: Finding): string[] {
  const mark = { ok: 'ok     ', warning: 'warning', error: 'error  ' }[status]
  const [first, ...more] = [...detail.split('\n'), ...(mend ? [`→ ${mend}`] : [])]
  return [`${mark}  ${check.padEnd(12)}  ${first}`, ...more.map((line) => `${' '.repeat(23)}${line}`)]
}
