import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Command, Runner } from './run.ts'
import { packagesFolder } from './sandbox.ts'

/** How the picture process is started; its program is `pictures-child.ts`. */
export function pictureProgram(given: {
  /** A folder in which it lies compiled, as `compilePictureProgram` leaves it; null while there is none. */
  compiled: string | null
  /** Its one picture, which need not be there yet. */
  picture: string
  inbox: string
}): Pick<Command, 'program' | 'args' | 'reads' | 'env' | 'limits'> {
  const { picture, inbox } = given
  // Whoever tidies up the machine may have taken it away.
  const compiled = given.compiled && existsSync(given.compiled) ? given.compiled : null
  return {
    ...program,
    args: [...program.args, picture],
    reads: [inbox, ...ownReads(), ...(compiled ? [compiled] : [])],
    env: compiled ? { [cacheSetting]: compiled } : {},
  }
}

/**
 * Has Node compile the program into a folder, which those that see a picture can only read. Without it, compiling takes a
 * small picture's process as long as the picture.
 * @returns whether it did
 */
export async function compilePictureProgram(runner: Runner, folder: string): Promise<boolean> {
  const env = { [cacheSetting]: folder }
  // Without a picture it loads, and ends.
  const running = runner.start({ ...program, folder, reads: ownReads(), env, mayLeaveAnything: true })
  return (await running.finished).exitCode === 0
}

/** https://nodejs.org/api/module.html#module-compile-cache */
const cacheSetting = 'NODE_COMPILE_CACHE'
const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'))
const childFile = fileURLToPath(new URL(`./pictures-child${extension}`, import.meta.url))

/** What it may take for a picture is said when it gets one. */
const program = {
  program: process.execPath,
  args: ['--max-old-space-size=256', '--disable-warning=ExperimentalWarning', childFile],
  limits: { memory: 0, seconds: 60, fileBytes: 256 * 1024 ** 2, fewAddresses: false, niceness: 10 },
}

/** What the program is made of. */
function ownReads(): string[] {
  const own = ['../', '../../../package.json'].map((path) => fileURLToPath(new URL(path, import.meta.url)))
  const packages = packagesFolder(fileURLToPath(import.meta.resolve('sharp')))
  return [...own, packages, process.execPath].filter(existsSync)
}
