import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/**
 * Makes `dist/`: JavaScript and types that need nothing else. The contract's types are written out from its schemas,
 * because who installs the client has neither the contract nor the library that its schemas are made with.
 */

const here = import.meta.dirname
const dist = join(here, 'dist')

interface Schema {
  type?: string
  description?: string
  const?: unknown
  enum?: unknown[]
  anyOf?: Schema[]
  items?: Schema
  properties?: Record<string, Schema>
  required?: string[]
}

rmSync(dist, { recursive: true, force: true })
const compiled = spawnSync(join(here, '../node_modules/.bin/tsc'), ['-p', here], { stdio: 'inherit' })
if (compiled.status !== 0) process.exit(1)
writeFileSync(join(dist, 'contract.d.ts'), await contractTypes())

/** The types that `src/contract.ts` passes on, as plain declarations. */
async function contractTypes(): Promise<string> {
  const source = readFileSync(join(here, 'src/contract.ts'), 'utf8')
  const named = new Map<string, Schema>()
  for (const [, names = '', module = ''] of source.matchAll(/export type \{([^}]+)\} from '([^']+)'/g)) {
    const path = join(here, '../contract', module.replace('@media-service/contract/', ''))
    const schemas = await import(pathToFileURL(path).href)
    for (const name of names
      .split(',')
      .map((one) => one.trim())
      .filter(Boolean))
      named.set(name, schemas[name])
  }
  const byText = new Map([...named].map(([name, schema]) => [JSON.stringify(schema), name]))
  const declarations = [...named].map(([name, schema]) => {
    const doc = schema.description ? `/** ${schema.description} */\n` : ''
    const type = typeOf(schema, byText, name)
    return schema.properties ? `${doc}export interface ${name} ${type}\n` : `${doc}export type ${name} = ${type}\n`
  })
  return declarations.join('\n')
}

/** A schema as a TypeScript type; a named one by its name, except where it is declared itself. */
function typeOf(schema: Schema, byText: Map<string, string>, self?: string): string {
  const name = byText.get(JSON.stringify(schema))
  if (name && name !== self) return name
  if (schema.anyOf) return schema.anyOf.map((one) => typeOf(one, byText)).join(' | ')
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ')
  if ('const' in schema) return JSON.stringify(schema.const)
  if (schema.type === 'array' && schema.items) return `(${typeOf(schema.items, byText)})[]`
  if (schema.type === 'object' && schema.properties) return objectOf(schema, byText)
  const plain = { string: 'string', integer: 'number', number: 'number', boolean: 'boolean', null: 'null' }
  const found = plain[schema.type as keyof typeof plain]
  if (!found) throw new Error(`The build knows no type for ${JSON.stringify(schema)}: teach client/build.ts.`)
  return found
}

function objectOf({ properties = {}, required = [] }: Schema, byText: Map<string, string>): string {
  const lines = Object.entries(properties).map(([name, schema]) => {
    const doc = schema.description ? `  /** ${schema.description} */\n` : ''
    const optional = required.includes(name) ? '' : '?'
    const type = typeOf(schema, byText) + (optional ? ' | undefined' : '')
    return `${doc}  ${name}${optional}: ${type}\n`
  })
  return `{\n${lines.join('')}}`
}
