import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, MediaError } from '../../media/errors.ts'
import type { MediaRecord } from '../../media/record.ts'
import type { Workbench } from '../recipes/recipe.ts'
import { readLeft } from '../tools/left.ts'
import { postFile } from './post.ts'
import type { Step } from './steps.ts'

/** What a step has said, unchecked. */
export interface Said {
  /** JSON, as text. */
  verdict: string | null
  /** WebVTT by language. */
  captions: ReadonlyMap<string, string>
}

export interface StepInput {
  step: Step
  record: MediaRecord
  bench: Workbench
  /** The file it is to look at. */
  path: string
  content_type: string | null
}

/** Bytes of one answer. */
const answerLimit = 8 * 1024 ** 2
const captionsLimit = 20
const defaultSeconds = 60
const defaultMemory = 1024

/** @throws MediaError `step_failed`, or why the whole was stopped. */
export async function runStep(input: StepInput): Promise<Said> {
  const { step, bench } = input
  try {
    return step.command ? await runCommand(input, step.command) : await askServer(input, step.url ?? '')
  } catch (error) {
    // What the program did wrong is not the file's fault.
    if (bench.signal.aborted || ['storage_full', 'step_failed'].includes(codeOf(error))) throw error
    throw new MediaError('step_failed', `${step.name}: ${(error as Error).message}`, { cause: error })
  }
}

/** Runs the operator's program confined as our own tools are; what it has to say it writes into its folder. */
async function runCommand({ step, record, bench, path, content_type }: StepInput, command: string[]): Promise<Said> {
  const { runner, newFolder, signal } = bench
  const folder = await newFolder(step.name)
  const { media_id, media_type } = record
  await writeFile(join(folder, 'media.json'), JSON.stringify({ media_id, media_type, content_type }))
  const [program = '', ...rest] = command
  const args = rest.map((one) => one.replaceAll('{input}', path))
  const { exitCode, stderr } = await runner.run({
    program,
    args: command.some((one) => one.includes('{input}')) ? args : [...args, path],
    folder,
    reads: [path, ...(step.reads ?? [])],
    limits: {
      memory: (step.memory_mb ?? defaultMemory) * 1024 ** 2,
      seconds: step.timeout_seconds ?? defaultSeconds,
      fileBytes: answerLimit,
      fewAddresses: false,
      niceness: 10,
    },
    signal,
    mayLeaveAnything: true,
  })
  if (exitCode !== 0) throw new MediaError('step_failed', `${step.name} ended with ${exitCode}: ${stderr}`)
  const captions = new Map<string, string>()
  for (const name of (await readdir(folder)).filter((one) => one.endsWith('.vtt')).slice(0, captionsLimit)) {
    captions.set(name.slice(0, -'.vtt'.length), (await readPlain(join(folder, name))) ?? '')
  }
  return { verdict: await readPlain(join(folder, 'verdict.json')), captions }
}

/** Null when there is none. */
async function readPlain(path: string): Promise<string | null> {
  const bytes = await readLeft(path, answerLimit).catch((error) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  return bytes && bytes.toString('utf8')
}

async function askServer({ step, record, bench, path, content_type }: StepInput, url: string): Promise<Said> {
  const { media_id, media_type } = record
  const text = await postFile(path, {
    url: new URL(url),
    headers: {
      'content-type': content_type ?? 'application/octet-stream',
      'media-id': media_id,
      'media-type': media_type ?? '',
      'step-name': step.name,
      accept: 'application/json',
    },
    authorizationFile: step.authorization_file,
    seconds: step.timeout_seconds ?? defaultSeconds,
    mayBeInternal: step.allow_internal === true,
    maxBytes: step.max_bytes ?? 100 * 1024 ** 2,
    answerLimit,
    signal: bench.signal,
  })
  if (step.gives === 'verdict') return { verdict: text, captions: new Map() }
  const { captions } = JSON.parse(text) as { captions?: Record<string, unknown> }
  const pairs = Object.entries(captions ?? {}).map(([language, vtt]): [string, string] => [language, String(vtt)])
  return { verdict: null, captions: new Map(pairs.slice(0, captionsLimit)) }
}
