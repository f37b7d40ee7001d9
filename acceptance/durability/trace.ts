/** A system call in a trace of `strace -f -y`; `start` and `end` are the lines on which it was entered and left. */
export interface Call {
  thread: string
  name: string
  /** Arguments and result, as strace writes them. */
  text: string
  start: number
  /** Infinity: it never returned. */
  end: number
}

/** Puts calls that other threads interrupted together again. */
export function readTrace(trace: string): Call[] {
  const calls: Call[] = []
  const open = new Map<string, Call>()
  for (const [line, text] of trace.split('\n').entries()) {
    const [, thread = '', rest = ''] = /^(\d+)\s+(.*)$/.exec(text) ?? []
    const resumed = /^<\.\.\. (\w+) resumed>(.*)$/.exec(rest)
    const entered = /^(\w+)\((.*)$/.exec(rest)
    if (resumed) {
      const call = open.get(thread)
      if (!call) continue
      call.text += resumed[2] ?? ''
      call.end = line
      open.delete(thread)
    } else if (entered) {
      const unfinished = rest.endsWith('<unfinished ...>')
      const end = unfinished ? Number.POSITIVE_INFINITY : line
      const call = { thread, name: entered[1] ?? '', text: entered[2] ?? '', start: line, end }
      calls.push(call)
      if (unfinished) open.set(thread, call)
    }
  }
  return calls
}
