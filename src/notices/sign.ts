import { createHmac } from 'node:crypto'

/** What is said of a webhook beside its body. https://www.standardwebhooks.com */
export interface Signed {
  'webhook-id': string
  'webhook-timestamp': string
  'webhook-signature': string
}

/** "the webhook is signed both using the current key, and using an old key …, and both signatures are sent, space delimited" */
export function signNotice(
  { id, body, now }: { id: string; body: string; now: number },
  secrets: readonly Buffer[],
): Signed {
  const timestamp = String(Math.floor(now / 1_000))
  const signatures = secrets.map((secret) =>
    createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64'),
  )
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signatures.map((signature) => `v1,${signature}`).join(' '),
  }
}
