/** What a line of the corpus' index asks of its file, from its words. */
export interface Expectation {
  /** Ends it may come to. */
  outcomes: readonly ('processed' | 'refused')[]
  /** Pixels of the upright source. */
  shown: { width: number; height: number } | null
  /** Frames of the WebP. */
  frames: number | null
  /** The media type it must turn out to be. */
  asAudio: boolean
  /** The code it must be refused with. */
  code: string | null
}

const refusals = ['reject', 'reject(limit)', 'fail cleanly', '415/reject', '415']
const either = [
  'reject-or-degrade',
  'reject-or-degrade, never 500/hang',
  'ok via libheif, or 415',
  '415 or ok, never 500',
  'ok or fail cleanly',
]
const successes = ['ok', 'ok as audio', 'ok(first frame)', 'sanitise']
/** Checked of every file, whatever its line says. */
const always = [
  ...['out=sRGB', 'colour', 'strip metadata', 'duration must not be trusted', 'tone-map or keep tags'],
  ...['A/V duration kept', 'even output', 'duration computed', 'duration by decode'],
]

/** @throws Error for words it does not know: a file is never half checked in silence. */
export function readExpectation(text: string): Expectation {
  const [first = '', ...rest] = text.split(';').map((word) => word.trim())
  const shown = rest.map((word) => /^disp=(\d+)x(\d+)$/.exec(word)).find((match) => match !== null)
  const frames = rest.map((word) => /^frames=(\d+)$/.exec(word)).find((match) => match !== null)
  const unknown = rest.filter((word) => !/^(?:disp=\d+x\d+|frames=\d+)$/.test(word) && !always.includes(word))
  if (unknown.length > 0) throw new Error(`the index says "${unknown.join('; ')}", which this suite cannot check`)
  return {
    outcomes: outcomesOf(first),
    shown: shown ? { width: Number(shown[1]), height: Number(shown[2]) } : null,
    frames: frames ? Number(frames[1]) : null,
    asAudio: first === 'ok as audio',
    code: first === 'reject(limit)' ? 'too_many_pixels' : null,
  }
}

function outcomesOf(word: string): Expectation['outcomes'] {
  if (successes.includes(word)) return ['processed']
  if (refusals.includes(word)) return ['refused']
  if (either.includes(word)) return ['processed', 'refused']
  throw new Error(`the index says "${word}", which this suite cannot check`)
}
