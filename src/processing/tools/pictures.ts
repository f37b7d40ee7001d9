import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Chance } from '../../media/clock.ts'
import { codeOf, type ErrorCode, MediaError } from '../../media/errors.ts'
import { type ImageProfile, imageProfile } from '../image-profile.ts'
import { weighLeft } from './left.ts'
import { linkOrCopy } from './naming.ts'
import { type Converters, convert, findConverters, type Heavy, pixelsDecodedWhole } from './picture-converters.ts'
import { compilePictureProgram, pictureProgram } from './picture-program.ts'
import { openReceiving } from './picture-receiving.ts'
import type { MadePicture } from './picture-set.ts'
import type { PictureReply, PictureTask } from './pictures-child.ts'
import type { Finished, Runner, Running } from './run.ts'

/** Makes pictures, each in a child process of its own that is gone afterwards. */
export interface Pictures {
  /**
   * Makes outputs from one picture, into `folder`, all from one decode.
   * @throws MediaError `undecodable`, `too_many_pixels`, or what `Runner.run` throws.
   */
  make(order: PictureOrder): Promise<MadePictures>
  close(): Promise<void>
}

export interface PictureOrder extends Omit<PictureTask, 'profile' | 'wholePixels' | 'converted'> {
  /** Ours when not given. */
  profile?: ImageProfile
  /** The picture: a file, or its bytes. */
  source: { path: string } | { bytes: string }
  /** Where the outputs go. */
  folder: string
  /** Told of files as soon as they are there, while others are being made; what it throws is thrown when those are done. */
  onMade?: (outputs: MadePicture[]) => Promise<void>
  /** MiB it may hold. */
  memory: number
  signal: AbortSignal
}

export type MadePictures = Omit<Extract<PictureReply, { ok: true }>, 'ok'>

/** A started child with its folders, waiting for its one picture. */
interface Spare {
  folder: string
  /** Who hears what it says. */
  listenBy: (listener: (chunk: Buffer) => void) => void
  running: Running
  over: boolean
}

const seconds = 60
/** A drawing is a program: what it takes says nothing of how large it is. And for one picture somebody waits. */
const shortSeconds = 20

interface PicturesOptions {
  runner: Runner
  /** A folder of this process's own. */
  workRoot: string
  chance: Chance
  /** Those of this machine when not given. */
  converters?: Converters
  /** How large HEIC and AVIF may be to be decoded without them; ours when not given. */
  decodedWhole?: typeof pixelsDecodedWhole
}

export function openPictures({
  runner,
  workRoot,
  chance,
  decodedWhole = pixelsDecodedWhole,
  ...given
}: PicturesOptions): Pictures {
  const finding = given.converters ? Promise.resolve(given.converters) : findConverters()
  let closed = false
  /** Those that have worked, until nothing is left of them. */
  const leaving = new Set<Promise<void>>()
  // Started before its picture is there, so that nobody waits for Node and sharp to load.
  let next: Promise<Spare> | null = null
  /** Where the program lies compiled, once it does. */
  let compiled: string | null = null
  let compiling: Promise<void> | null = null

  async function start(): Promise<Spare> {
    const folder = join(workRoot, `picture-${chance.uuid()}`)
    const [inbox, outbox] = [join(folder, 'in'), join(folder, 'out')]
    await mkdir(inbox, { recursive: true })
    await mkdir(outbox)
    let listen: (chunk: Buffer) => void = () => {}
    const running = runner.start({
      ...pictureProgram({ compiled, picture: join(inbox, 'raw'), inbox }),
      folder: outbox,
      onOutput: (chunk) => listen(chunk),
    })
    const listenBy: Spare['listenBy'] = (listener) => {
      listen = listener
    }
    const spare = { folder, running, listenBy, over: false }
    const end = () => {
      spare.over = true
    }
    running.finished.then(end, end)
    return spare
  }

  /** Once there was a picture, so that a start stays quick. */
  async function compile(): Promise<void> {
    const folder = join(workRoot, `picture-program-${chance.uuid()}`)
    await mkdir(folder)
    if (await compilePictureProgram(runner, folder)) compiled = folder
  }

  function prepare(): void {
    if (closed || next) return
    next = start()
    next.catch(() => {}) // whoever takes it sees the error
  }

  async function take(): Promise<Spare> {
    // Taken before anything is waited for: of two pictures that come at once, only one may have it.
    const ready = next
    next = null
    const waiting = await ready?.catch(() => null)
    if (waiting && !waiting.over) return waiting
    if (waiting) await dismiss(waiting)
    return await start()
  }

  async function makeOnce(
    { source, folder, memory, signal, profile = imageProfile, onMade = async () => {}, ...rest }: PictureOrder,
    how: Pick<PictureTask, 'wholePixels' | 'converted'>,
  ): Promise<PictureReply | Finished> {
    const task: PictureTask = { ...rest, ...how, profile }
    const spare = await take()
    const { running } = spare
    const from = join(spare.folder, 'out')
    const receiving = openReceiving({ from, to: folder, onMade, onNonsense: running.kill })
    try {
      await bring(source, join(spare.folder, 'in', 'raw'))
      const limits = { memory: memory * 1024 ** 2, seconds: task.isSvg || task.transform ? shortSeconds : seconds }
      spare.listenBy(receiving.listen)
      running.begin(JSON.stringify(task), { signal, ...limits })
      // Taking it down in order would take a tenth of the time that it has worked.
      await Promise.race([running.finished, receiving.replied])
      return (await receiving.reply()) ?? (await running.finished)
    } finally {
      const gone = dismiss(spare).finally(() => leaving.delete(gone))
      leaving.add(gone)
      gone.catch(() => {}) // what stays is removed at the next start
      await receiving.settle()
      prepare()
      if (!closed) compiling ??= compile().catch(() => {}) // then each is compiled anew
    }
  }

  prepare()
  return {
    make: async (order) => {
      const converters = await finding
      const wholePixels = decodedWhole(converters, order.memory * 1024 ** 2)
      const reply = await makeOnce(order, { wholePixels })
      const heavy = heavyOf(reply)
      if (heavy === null || 'bytes' in order.source) return readReply(reply)
      const { path } = order.source
      const folder = join(workRoot, `conversion-${chance.uuid()}`)
      await mkdir(folder)
      try {
        const given = { heavy, path, folder, memory: order.memory * 1024 ** 2, signal: order.signal }
        const { file, converted } = await convert({ runner, converters }, given)
        const source = { path: join(folder, file) }
        await weighLeft(source.path)
        return readReply(await makeOnce({ ...order, source }, { wholePixels, converted }))
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    },
    close: async () => {
      closed = true
      const spare = await next?.catch(() => null)
      if (spare) await dismiss(spare)
      await Promise.allSettled([...leaving, compiling])
      if (compiled) await rm(compiled, { recursive: true, force: true })
    },
  }
}

async function dismiss({ running, folder }: Spare): Promise<void> {
  running.kill()
  await running.finished.catch(() => {})
  await rm(folder, { recursive: true, force: true })
}

async function bring(source: PictureOrder['source'], path: string): Promise<void> {
  if ('bytes' in source) await writeFile(path, source.bytes, { flag: 'wx' })
  else await linkOrCopy(source.path, path)
}

/** What the child says of a picture that it does not decode; it has read hostile bytes, so none of it names a file or a program. */
function heavyOf(reply: PictureReply | Finished): Heavy | null {
  if (!('ok' in reply) || reply.ok || !reply.heavy) return null
  const { format, width, height, hasAlpha, pages, page, turn } = reply.heavy
  const counts = [width, height, pages, page]
  if (!['heic', 'avif'].includes(format) || !counts.every(Number.isSafeInteger)) return null
  return { format, width, height, hasAlpha: hasAlpha === true, pages, page, turn }
}

function readReply(reply: PictureReply | Finished): MadePictures {
  if (!('ok' in reply)) {
    throw new MediaError('tool_crashed', `the picture process ended with ${reply.exitCode}: ${reply.stderr}`)
  }
  if (reply.ok) return reply
  const code = codeFrom(reply.code)
  const detail = 'The picture is compressed in a way that is not supported. Save it as PNG, JPEG or TIFF with LZW.'
  throw new MediaError(code, reply.message, code === 'unsupported_media' ? { detail } : {})
}

/** The child has read hostile bytes: what it says is not believed to be one of our codes. */
function codeFrom(said: string): ErrorCode {
  const known: readonly ErrorCode[] = [
    'undecodable',
    'unsupported_media',
    'too_many_pixels',
    'memory_exceeded',
    'output_too_large',
    'storage_full',
  ]
  return known.find((code) => code === said) ?? codeOf(null)
}
