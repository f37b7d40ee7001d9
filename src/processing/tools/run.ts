import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { basename } from 'node:path'
import type { Readable } from 'node:stream'
import type { Clock } from '../../media/clock.ts'
import { type ErrorCode, MediaError } from '../../media/errors.ts'
import { checkLeft } from './left.ts'
import { type Confined, type Limits, type Sandbox, threadLimit, toolEnvironment } from './sandbox.ts'
import { familyOf, openUsage } from './usage.ts'

/** Runs programs confined; the only place of the service that starts any on a media's behalf. */
export interface Runner {
  /**
   * Runs a program to its end.
   * @throws MediaError `tool_missing`, `tool_crashed`, `deadline_exceeded`, `memory_exceeded`, `output_too_large`,
   *   `storage_full`, or the signal's reason. A program that ends by itself with a failure is no error here: see `exitCode`.
   */
  run(command: Command): Promise<Finished>
  /** Starts a program that waits for work on its standard input; its deadline begins with `begin`. */
  start(command: Command): Running
}

export interface Command extends Confined {
  signal?: AbortSignal
  /** Each line of standard error as it comes, without its end. */
  onLine?: (line: string) => void
  /** Set where nothing of its folder is touched but by `openLeft` and its like: else all that it leaves must be files. */
  mayLeaveAnything?: true
  /** Standard output as it comes; without it, it is collected, at most 4 MiB. */
  onOutput?: (chunk: Buffer) => void
}

export interface Finished {
  exitCode: number
  /** Empty when `onOutput` took it. */
  stdout: Buffer
  /** Its last lines, without the paths of this machine. */
  stderr: string
}

export interface Running {
  /** Starts the clock and the watch over memory, and hands it its work; `memory` and `seconds` in place of the command's limits. */
  begin(input: string, given?: { signal?: AbortSignal; memory?: number; seconds?: number }): void
  /** As `Runner.run`. */
  finished: Promise<Finished>
  kill(): void
}

const watchInterval = 100
/** Once a tool holds half of its memory, for it may take the rest in a moment. */
const closeWatchInterval = 25
/** What it may yet take between two looks: it is ended that much before its limit. */
const memoryMargin = 64 * 1024 ** 2
const outputLimit = 4 * 1024 ** 2
const lineLimit = 2_000
const linesKept = 20
const processLimit = 16

export function openRunner({ sandbox, clock }: { sandbox: Sandbox; clock: Clock }): Runner {
  const start = (command: Command) => startTool({ sandbox, clock, command })
  return {
    start,
    run: async (command) => {
      if (command.signal?.aborted) throw reasonOf(command.signal)
      const running = start(command)
      running.begin('', command.signal ? { signal: command.signal } : {})
      return await running.finished
    },
  }
}

/** Why a signal was aborted, as one of our errors. */
export function reasonOf(signal: AbortSignal): Error {
  const reason: unknown = signal.reason
  return reason instanceof MediaError
    ? reason
    : new MediaError('interrupted', 'processing was stopped', { cause: reason })
}

function startTool({ sandbox, clock, command }: { sandbox: Sandbox; clock: Clock; command: Command }): Running {
  const { file, args } = sandbox.wrap(command)
  const over = new AbortController()
  let verdict: Error | null = null

  // Its own group, so that nothing it starts outlives it.
  const env = { ...toolEnvironment, ...command.env }
  const child = spawn(file, args, { cwd: command.folder, env, detached: true, stdio: 'pipe' })
  const killFor = (error: Error) => {
    verdict ??= error
    killGroup(child)
  }
  const stderr = collectLines(child.stderr, command.onLine)
  const stdout = collectOutput(child.stdout, command.onOutput, killFor)
  child.stdin.on('error', () => {}) // it may end without having read its input
  // What it leaves behind holds the pipes open, and has nothing left to do.
  child.once('exit', () => killGroup(child))

  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal }))
  })
  const finished = ended
    .catch((error) => {
      throw new MediaError('tool_missing', `${basename(command.program)} could not be started`, { cause: error })
    })
    .finally(() => over.abort())
    .then(async (end) => {
      if (verdict) throw verdict
      const result = { exitCode: exitCodeOf(end), stdout: stdout(), stderr: stripPaths(stderr()) }
      refuseCrash(command, result)
      if (!command.mayLeaveAnything) await checkLeft(command.folder)
      return result
    })
  finished.catch(() => {}) // a spare that dies unused is noticed when it is taken

  return {
    finished,
    kill: () => killGroup(child),
    begin: (input, { signal, ...given } = {}) => {
      if (signal?.aborted) return killFor(reasonOf(signal))
      signal?.addEventListener('abort', () => killFor(reasonOf(signal)), { signal: over.signal })
      child.stdin.end(input)
      void watch({ child, clock, command, limits: { ...command.limits, ...given }, killFor, signal: over.signal })
    },
  }
}

interface Watched {
  child: ChildProcess
  clock: Clock
  command: Command
  limits: Limits
  killFor: (error: Error) => void
  signal: AbortSignal
}

/** Looks every 100 ms, and more often at a large one, until the tool is over, or over its limits. */
async function watch({ child, clock, command, limits, killFor, signal }: Watched): Promise<void> {
  const name = basename(command.program)
  const { memory, seconds } = limits
  const most = memory - Math.min(memory / 8, memoryMargin)
  const deadline = clock.now() + seconds * 1000
  const usage = openUsage(child.pid ?? 0)
  while (!signal.aborted && child.pid !== undefined) {
    const used = usage()
    if (used.memory > most) {
      const held = Math.round(used.memory / 1024 ** 2)
      killFor(
        new MediaError('memory_exceeded', `${name} held ${held} MiB, of ${Math.round(memory / 1024 ** 2)} at most`),
      )
    } else if (used.processes > processLimit || used.threads > threadLimit) {
      killFor(new MediaError('tool_crashed', `${name} ran ${used.processes} processes and ${used.threads} threads`))
    } else if (clock.now() > deadline) {
      killFor(new MediaError('deadline_exceeded', `${name} was not done after ${Math.round(seconds)} s`))
    }
    await clock.sleep(used.memory > memory / 2 ? closeWatchInterval : watchInterval, signal).catch(() => {})
  }
}

/** A sandbox of namespaces ends with its first process; elsewhere who left the group is still of the family. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return
  const alive = child.exitCode === null && child.signalCode === null
  const strays = alive && process.platform === 'linux' ? familyOf(child.pid) : []
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    child.kill('SIGKILL') // the group is gone, or this system has none
  }
  for (const pid of strays) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended.
    }
  }
}

/** As a shell says it: 128 + the signal's number for a tool that was killed. */
function exitCodeOf({ code, signal }: { code: number | null; signal: string | null }): number {
  return code ?? 128 + (constants.signals[signal as NodeJS.Signals] ?? 0)
}

/** @throws MediaError when the tool did not end by itself: the file may be innocent. */
function refuseCrash({ program }: Command, { exitCode, stderr }: Finished): void {
  if (exitCode === 0) return
  const name = basename(program)
  const fail = (code: ErrorCode, what: string) => {
    throw new MediaError(code, `${name} ${what}: ${stderr}`)
  }
  if (!existsSync(program)) fail('tool_missing', 'is gone')
  if (/No space left on device|Disk quota exceeded/.test(stderr)) fail('storage_full', 'found the disk full')
  if (exitCode === 128 + constants.signals.SIGXFSZ || /File too large/.test(stderr))
    fail('output_too_large', 'wrote too much')
  if (exitCode === 128 + constants.signals.SIGXCPU) fail('deadline_exceeded', 'used up its time')
  if (/Cannot allocate memory|std::bad_alloc|heap out of memory/.test(stderr))
    fail('memory_exceeded', 'found no memory')
  if (exitCode > 128) fail('tool_crashed', `died with ${exitCode - 128}`)
}

/** Keeps the last lines; hands each on. A line without end is cut. */
function collectLines(stream: Readable, onLine?: (line: string) => void): () => string {
  const kept: string[] = []
  let rest = ''
  const take = (line: string) => {
    if (line === '') return
    onLine?.(line)
    if (!isChatter(line)) kept.push(line)
    if (kept.length > linesKept) kept.shift()
  }
  stream.setEncoding('utf8')
  stream.on('data', (data: string) => {
    const lines = (rest + data).split(/[\r\n]+/)
    rest = (lines.pop() ?? '').slice(0, lineLimit)
    for (const line of lines) take(line.slice(0, lineLimit))
  })
  stream.on('end', () => take(rest))
  return () => kept.join('\n')
}

/** What ffmpeg says besides what went wrong: `key=value` of its progress, and its lower levels. */
function isChatter(line: string): boolean {
  return /^[a-z0-9_]+=\s*\S*$/.test(line) || /\[(?:info|verbose|debug)\]/.test(line)
}

function collectOutput(
  stream: Readable,
  onOutput: ((chunk: Buffer) => void) | undefined,
  killFor: (error: Error) => void,
): () => Buffer {
  const chunks: Buffer[] = []
  let size = 0
  stream.on('data', (chunk: Buffer) => {
    if (onOutput) return onOutput(chunk)
    size += chunk.length
    if (size > outputLimit) killFor(new MediaError('tool_crashed', 'a tool said more than 4 MiB'))
    else chunks.push(chunk)
  })
  return () => Buffer.concat(chunks)
}

/** Folders of this machine are nobody's business, not even in a log that is passed around. */
function stripPaths(said: string): string {
  return said.replaceAll(/(?:\/[^\s/:'"]+)+\/([^\s/:'"]+)/g, '$1')
}
