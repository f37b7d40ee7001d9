import { readFile } from 'node:fs/promises'
import { createClient, type MediaClient } from '../client/src/client.ts'
import { type Given, textOf, type Values } from './command.ts'
import { CliError } from './errors.ts'
import { exitCodes } from './exit-codes.ts'

export const defaultUrl = 'http://127.0.0.1:8080'

/** Where the service is. */
export function urlOf(options: Values, env: Given['env']): string {
  return (textOf(options, 'url') || env['MEDIA_URL'] || defaultUrl).replace(/\/+$/, '')
}

/** The service's API as this caller sees it. @throws CliError for an address that is none, or a token that cannot be read */
export function connect({ options, env }: Pick<Given, 'options' | 'env'>): MediaClient {
  const baseUrl = urlOf(options, env)
  const token = tokenOf(options, env)
  try {
    return createClient({ baseUrl, ...(token && { token }) })
  } catch {
    const named = textOf(options, 'url') ? '--url' : 'MEDIA_URL'
    throw new CliError(`${named} takes the service's address, such as https://media.example.com; it is "${baseUrl}".`)
  }
}

/** What was typed holds over the file, the file over the environment. */
function tokenOf(options: Values, env: Given['env']): string | (() => Promise<string>) | undefined {
  const typed = textOf(options, 'token')
  if (typed !== undefined) return checked(typed, '--token')
  const file = textOf(options, 'token-file')
  if (file !== undefined) return async () => await readToken(file)
  return env['MEDIA_TOKEN'] ? checked(env['MEDIA_TOKEN'], 'MEDIA_TOKEN') : undefined
}

async function readToken(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((error) => {
    const exit = exitCodes.notFound
    throw new CliError(`--token-file ${file} cannot be read (${error.code}).`, { code: 'token_unreadable', exit })
  })
  return checked(text.trim(), `--token-file ${file}`)
}

/** Never shows it. */
function checked(token: string, name: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return token
  throw new CliError(`${name} is no token: one is a single word.`, { code: 'token_invalid' })
}
