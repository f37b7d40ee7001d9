import { type Static, Type } from 'typebox'
import { Problem } from './problem.ts'

export const Alive = Type.Object(
  { status: Type.Literal('ok', { description: 'It answers.' }) },
  { title: 'Alive', additionalProperties: false },
)
export type Alive = Static<typeof Alive>

const Checks = Type.Record(Type.String(), Type.Enum(['ok', 'failed', 'timed_out']), {
  description: 'Each thing the service stands on, by name.',
})

const Drivers = Type.Optional(
  Type.Record(Type.String(), Type.String(), {
    description: 'The engine behind each room, by its setting, and the sandbox of tools where some are run.',
  }),
)

export const Ready = Type.Object(
  { status: Type.Literal('ready', { description: 'Uploads would be accepted.' }), checks: Checks, drivers: Drivers },
  { title: 'Ready', additionalProperties: false },
)
export type Ready = Static<typeof Ready>

export const NotReady = Type.Object({ ...Problem.properties, checks: Checks, drivers: Drivers }, { title: 'NotReady' })
export type NotReady = Static<typeof NotReady>
