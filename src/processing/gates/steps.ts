import { readFile } from 'node:fs/promises'
import { isAbsolute } from 'node:path'
import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { MediaType } from '../../media/record.ts'

/** A program or a server of the operator's that has a say in what becomes of media: docs/extensions.md. */
export type Step = Static<typeof StepSchema> & { required: boolean }

const seconds = Type.Integer({ minimum: 1, maximum: 3600 })
const StepSchema = Type.Object(
  {
    name: Type.String({ pattern: '^[a-z][a-z0-9_]{0,39}$' }),
    on: Type.Array(Type.Enum(['image', 'video', 'audio']), { minItems: 1 }),
    gives: Type.Enum(['verdict', 'captions']),
    command: Type.Optional(Type.Array(Type.String(), { minItems: 1 })),
    url: Type.Optional(Type.String({ pattern: '^https?://' })),
    input: Type.Optional(Type.String({ pattern: '^[a-z0-9][a-z0-9.-]{0,39}$' })),
    timeout_seconds: Type.Optional(seconds),
    required: Type.Optional(Type.Boolean()),
    reads: Type.Optional(Type.Array(Type.String({ pattern: '^/' }))),
    memory_mb: Type.Optional(Type.Integer({ minimum: 16, maximum: 1_000_000 })),
    max_bytes: Type.Optional(Type.Integer({ minimum: 1 })),
    allow_internal: Type.Optional(Type.Boolean()),
    authorization_file: Type.Optional(Type.String({ pattern: '^/' })),
  },
  { additionalProperties: false },
)
const steps = Compile(Type.Array(StepSchema, { maxItems: 20 }))

/**
 * The steps that `STEPS_FILE` names, in their order; none without it.
 * @throws Error saying what is wrong where
 */
export async function readSteps(path: string | undefined): Promise<Step[]> {
  if (path === undefined) return []
  const fail = (what: string, cause?: unknown) => {
    throw new Error(`STEPS_FILE ${path}: ${what}. See docs/extensions.md.`, { cause })
  }
  const text = await readFile(path, 'utf8').catch((error) => fail('it cannot be read', error))
  let found: unknown
  try {
    found = JSON.parse(text ?? '')
  } catch (error) {
    fail('it is no JSON', error)
  }
  const [wrong] = steps.Errors(found)
  if (wrong) fail(`${wrong.instancePath || 'the whole'} ${wrong.message}`)
  const all = found as Static<typeof StepSchema>[]
  for (const step of all) {
    const problem = problemOf(step, all)
    if (problem) fail(`step "${step.name}" ${problem}`)
  }
  // A verdict that nobody gave lets nothing pass; captions that nobody made are missed by few.
  return all.map((step) => ({ ...step, required: step.required ?? step.gives === 'verdict' }))
}

function problemOf(step: Static<typeof StepSchema>, all: Static<typeof StepSchema>[]): string | null {
  const { name, command, url, gives, input } = step
  if ((command === undefined) === (url === undefined)) return 'needs either command or url'
  if (command && !isAbsolute(command[0] ?? '')) return 'needs the absolute path of its program'
  if (url && !URL.canParse(url)) return 'has a url that is none'
  // Before anything is made of it: what is refused must never have been playable.
  if (gives === 'verdict' && input !== undefined && input !== 'raw') return 'gives a verdict, and so reads the raw file'
  return all.filter((other) => other.name === name).length > 1 ? 'is there twice' : null
}

/** Who judges a media. Before it is opened only pictures are sure to be none of the others: a film may call itself sound. */
export function judgesOf(all: readonly Step[], media_type: MediaType | null): Step[] {
  const kinds: MediaType[] = media_type === 'image' ? ['image'] : ['video', 'audio']
  return all.filter(({ gives, on }) => gives === 'verdict' && kinds.some((kind) => on.includes(kind)))
}

/** Who writes captions for what has been made. */
export function captionersOf(all: readonly Step[], media_type: MediaType): Step[] {
  return all.filter(({ gives, on }) => gives === 'captions' && on.includes(media_type))
}
