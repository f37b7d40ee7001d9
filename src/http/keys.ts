import { createHash, timingSafeEqual } from 'node:crypto'
import { readSettingFile } from './files.ts'

/** Who asks. */
export interface Caller {
  user_id: string
  operator: boolean
}

interface Key extends Caller {
  hash: Buffer
}

export type FindKey = (key: string) => Caller | null

/**
 * Reads a file of API keys: one a line, `{SHA-256 of the key, hex} {user_id} [operator]`; `#` starts a comment.
 * A line for the key `k`: `printf %s k | sha256sum`.
 * @throws Error naming the line that is wrong, never showing it.
 */
export async function readKeys(path: string): Promise<FindKey> {
  const keys = parseKeys((await readSettingFile('AUTH_API_KEYS_FILE', path)).toString('utf8'))
  return (given) => {
    const hash = createHash('sha256').update(given).digest()
    // Every line is compared, so that the time says nothing of where a key stands.
    const matching = keys.filter((key) => timingSafeEqual(key.hash, hash))
    const [found] = matching
    return found ? { user_id: found.user_id, operator: found.operator } : null
  }
}

/** @throws Error naming the line. */
export function parseKeys(text: string): Key[] {
  return text.split('\n').flatMap((line, index) => {
    const words = line.replace(/#.*/, '').trim().split(/\s+/)
    if (words[0] === '') return []
    const [hash = '', user_id, scope, ...rest] = words
    const valid = /^[0-9a-fA-F]{64}$/.test(hash) && isUserId(user_id) && rest.length === 0
    if (!valid || (scope !== undefined && scope !== 'operator')) {
      throw new Error(
        `AUTH_API_KEYS_FILE, line ${index + 1}: write "{SHA-256 in hex} {user_id}", and "operator" for one.`,
      )
    }
    return [{ hash: Buffer.from(hash, 'hex'), user_id, operator: scope === 'operator' }]
  })
}

/** Bounded and printable: it becomes a key in tables and a word in logs. */
export function isUserId(value: unknown): value is string {
  return typeof value === 'string' && /^[^\p{C}]{1,128}$/u.test(value) && value.trim() !== ''
}
