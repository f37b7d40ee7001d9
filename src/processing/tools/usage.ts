import { readdirSync, readFileSync } from 'node:fs'

/** What a process and all that it started hold now. */
export interface Usage {
  /** Bytes of resident memory. */
  memory: number
  processes: number
  threads: number
}

const none: Usage = { memory: 0, processes: 0, threads: 0 }

/** Reading every process costs about 2 ms: the family is looked up anew only at every nth reading… */
const lookUpEvery = 10
/** …or when the machine runs this many more threads than it did then, as it does when a tool multiplies. */
const suddenly = 32

/**
 * Returns a function that reads the usage of `root` and its descendants from `/proc`.
 * Where there is no `/proc` it reads nothing, and only the limits of the operating system hold.
 */
export function openUsage(root: number): () => Usage {
  let family = [root]
  let readings = 0
  let running = 0
  return () => {
    if (process.platform !== 'linux') return none
    const now = runningThreads()
    // A sandbox starts the tool a few milliseconds after itself, hence the early looks.
    if (readings < 3 || readings % lookUpEvery === 0 || now > running + suddenly) {
      family = familyOf(root)
      running = now
    }
    readings++
    return family.map(usageOf).reduce(add, none)
  }
}

/** Threads of this machine, by the fourth figure of `0.20 0.18 0.12 1/80 11206`. */
function runningThreads(): number {
  return Number(/\/(\d+) /.exec(readProc('/proc/loadavg') ?? '')?.[1] ?? 0)
}

/** A process and all that it started, as far as their line is not broken. */
export function familyOf(root: number): number[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const parent = parentOf(Number(name))
    if (parent !== null) parents.set(Number(name), parent)
  }
  const family = new Set([root])
  for (let size = 0; size !== family.size; ) {
    size = family.size
    for (const [pid, parent] of parents) if (family.has(parent)) family.add(pid)
  }
  return [...family]
}

function parentOf(pid: number): number | null {
  const stat = readProc(`/proc/${pid}/stat`)
  // The name of the program, in brackets, may itself hold brackets and spaces.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields?.[1] ? Number(fields[1]) : null
}

function usageOf(pid: number): Usage {
  const status = readProc(`/proc/${pid}/status`)
  if (status === null) return none
  const number = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0)
  return { memory: number('VmRSS') * 1024, processes: 1, threads: number('Threads') }
}

function add(a: Usage, b: Usage): Usage {
  return { memory: a.memory + b.memory, processes: a.processes + b.processes, threads: a.threads + b.threads }
}

/** A process that has just ended is no error. */
function readProc(path: string): string | null {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return null
  }
}
