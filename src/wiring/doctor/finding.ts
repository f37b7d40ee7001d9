/** What a check found: for a person, and as a line of JSON. */
export interface Finding {
  check: string
  /** `warning`: it works, and something will be missed; `error`: it does not. */
  status: 'ok' | 'warning' | 'error'
  /** What was found. */
  detail: string
  /** What to do. */
  mend?: string
}

export function ok(check: string, detail: string): Finding {
  return { check, status: 'ok', detail }
}

export function warning(check: string, detail: string, mend: string): Finding {
  return { check, status: 'warning', detail, mend }
}

export function error(check: string, detail: string, mend: string): Finding {
  return { check, status: 'error', detail, mend }
}

/** What passes as `detail`, what it throws as an error whose own words say what to do, or `mend`. */
export async function tried(check: string, work: () => Promise<string> | string, mend = ''): Promise<Finding> {
  try {
    return ok(check, await work())
  } catch (cause) {
    const detail = wordsOf(cause)
    return { check, status: 'error', detail, ...(mend && { mend }) }
  }
}

/** An error of the network may have its words in what caused it. */
export function wordsOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  const inner = cause.cause === undefined ? [] : [wordsOf(cause.cause)]
  return [...new Set([cause.message || cause.name, ...inner])].join(': ')
}

/** @throws Error when it takes longer */
export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms / 1000} s`)), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
