/**
 * As Lambda's runtime runs a function: imports a handler once, and gives it one event at a time.
 * Each line on standard input is `{ event, limitMs }`, each on descriptor 3 `{ result }` or `{ error }`.
 */
import { writeSync } from 'node:fs'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'

const [module = ''] = process.argv.slice(2)
const { handler } = (await import(resolve(module))) as {
  handler: (event: unknown, context: object) => Promise<unknown>
}

for await (const line of createInterface({ input: process.stdin })) {
  const { event, limitMs } = JSON.parse(line) as { event: unknown; limitMs: number }
  const end = Date.now() + limitMs
  // The runtime ends a function at its limit, whatever it does.
  const cut = setTimeout(() => process.exit(9), limitMs)
  const about = { functionName: 'work', awsRequestId: 'request-1' }
  const context = { ...about, getRemainingTimeInMillis: () => end - Date.now() }
  const answer = await handler(event, context).then(
    (result) => ({ result: result ?? null }),
    (error: unknown) => ({ error: String(error) }),
  )
  clearTimeout(cut)
  writeSync(3, `${JSON.stringify(answer)}\n`)
}
process.exit(0)
