import { spawn } from 'node:child_process'
import { constants, existsSync } from 'node:fs'
import { access, mkdtemp, realpath, rm } from 'node:fs/promises'
import { release, tmpdir } from 'node:os'
import { delimiter, dirname, isAbsolute, join } from 'node:path'
import { MediaError } from '../../media/errors.ts'

/** What a tool may use. */
export interface Limits {
  /** Bytes of resident memory of the tool and all that it starts. */
  memory: number
  /** Seconds of wall time. */
  seconds: number
  /** Bytes of the largest file written. */
  fileBytes: number
  /** Whether 4 GiB of addresses are enough: for all but Node. */
  fewAddresses: boolean
  /** 0 (as the service) to 19 (after everyone else). */
  niceness: number
}

export interface Confined {
  /** Absolute path of the program. */
  program: string
  args: readonly string[]
  /** The only folder it may write to, where it starts. */
  folder: string
  /** Files and folders it may read, beside the system's own. */
  reads: readonly string[]
  /** All that it sees of an environment, beside `toolEnvironment`. */
  env?: Readonly<Record<string, string>>
  limits: Limits
}

export interface Sandbox {
  /** `bwrap` hides files, processes and network; `weak` only limits. */
  kind: 'bwrap' | 'weak'
  /** Why it is this one, for the operator. */
  reason: string
  /** Whether it came about because somebody asked for it by `SANDBOX`. */
  asked: boolean
  /** The command line that runs a program confined. */
  wrap(confined: Confined): { file: string; args: string[] }
}

const addressLimit = 4 * 1024 ** 3
const temporaryLimit = 64 * 1024 ** 2
/** Threads that a tool and all that it starts may have at once. */
export const threadLimit = 512
/** Since Linux 5.14 a namespace of users counts its own threads; before, all that the service's user runs. Root is never held to it. */
const countsApart = isAtLeast(release(), [5, 14])

/**
 * Decides, by really running a program in it, which sandbox works on this machine.
 * @throws MediaError `sandbox_missing` when `SANDBOX=bwrap` and it does not work.
 */
export async function probeSandbox(wanted: 'auto' | 'bwrap' | 'weak'): Promise<Sandbox> {
  const asked = wanted !== 'auto'
  const found = {
    bwrap: await findProgram('bwrap'),
    prlimit: await findProgram('prlimit'),
    setpriv: await findProgram('setpriv'),
    nice: await findProgram('nice'),
  }
  if (wanted === 'weak') return weakSandbox(found, { reason: 'SANDBOX=weak', asked })
  const problem = await problemOf(found)
  if (problem === null) {
    return { kind: 'bwrap', reason: 'bubblewrap works', asked, wrap: (confined) => wrapStrong(found, confined) }
  }
  if (wanted === 'bwrap') throw new MediaError('sandbox_missing', `SANDBOX=bwrap, but ${problem}`)
  return weakSandbox(found, { reason: problem, asked })
}

/** Whether video may be taken: a weak sandbox that nobody asked for is enough on loopback only. */
export function isVideoSafe(sandbox: Pick<Sandbox, 'kind' | 'asked'>, where: { loopback: boolean }): boolean {
  return sandbox.kind === 'bwrap' || sandbox.asked || where.loopback
}

/** Absolute path of a program by its path or its name on `PATH`, or null. */
export async function findProgram(name: string, path = process.env.PATH ?? ''): Promise<string | null> {
  const places = isAbsolute(name) || name.includes('/') ? [name] : path.split(delimiter).map((one) => join(one, name))
  for (const place of places) {
    const usable = await access(place, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (usable) return await realpath(place)
  }
  return null
}

function isAtLeast(version: string, [major, minor]: [number, number]): boolean {
  const [first = 0, second = 0] = version.split('.').map(Number)
  return first > major || (first === major && second >= minor)
}

type Programs = Record<'bwrap' | 'prlimit' | 'setpriv' | 'nice', string | null>

async function problemOf(found: Programs): Promise<string | null> {
  const { bwrap, prlimit, nice } = found
  if (!bwrap) return 'bubblewrap (bwrap) is not installed'
  if (!prlimit || !nice) return 'prlimit or nice is not installed'
  const folder = await mkdtemp(join(tmpdir(), 'sandbox-'))
  try {
    const limits = { memory: 2 ** 30, seconds: 10, fileBytes: 1024, fewAddresses: true, niceness: 0 }
    const { file, args } = wrapStrong(found, { program: prlimit, args: ['--version'], folder, reads: [], limits })
    return await runBriefly(file, args)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Resolves null when the program ended well, else what it said. */
function runBriefly(file: string, args: string[]): Promise<string | null> {
  return new Promise((resolve) => {
    let said = ''
    const child = spawn(file, args, { env: toolEnvironment, stdio: ['ignore', 'ignore', 'pipe'], timeout: 10_000 })
    child.stderr.on('data', (data) => (said = `${said}${data}`.slice(0, 300)))
    child.on('error', (error) => resolve(error.message))
    child.on('close', (code) => resolve(code === 0 ? null : `bubblewrap does not work here: ${said.trim()}`))
  })
}

/** Tools see nothing of the service's environment. */
export const toolEnvironment = { PATH: '/usr/bin:/bin', LANG: 'C.UTF-8' }

function wrapStrong({ bwrap, prlimit, nice }: Programs, confined: Confined): { file: string; args: string[] } {
  const { program, args, folder, reads, limits } = confined
  const own = program.startsWith('/usr/') ? [] : [program]
  const box = [
    // No session of its own: the child starts in a new one without a terminal, and so dies with its group.
    ...['--unshare-all', '--unshare-user', '--disable-userns', '--die-with-parent', '--cap-drop', 'ALL'],
    ...['--ro-bind', '/usr', '/usr'],
    ...['bin', 'lib', 'lib64'].flatMap(systemFolder),
    ...['/etc/alternatives', '/etc/ld.so.cache', '/etc/fonts'].flatMap((path) => ['--ro-bind-try', path, path]),
    ...['--proc', '/proc', '--dev', '/dev', '--size', String(temporaryLimit), '--tmpfs', '/tmp'],
    ...[...own, ...reads].flatMap((path) => ['--ro-bind', path, path]),
    ...['--bind', folder, folder, '--chdir', folder],
    // What is left to write to is the folder and 64 MiB of /tmp: memory of a tmpfs is nobody's resident memory.
    ...['--remount-ro', '/dev', '--remount-ro', '/'],
  ]
  const limited = [...(countsApart ? [`--nproc=${threadLimit}`] : []), ...prlimitArgs(limits), program, ...args]
  return {
    file: nice ?? 'nice',
    args: ['-n', String(limits.niceness), bwrap ?? 'bwrap', ...box, prlimit ?? 'prlimit', ...limited],
  }
}

/** `/bin` is a link to `usr/bin` on today's systems, a folder on older ones. */
function systemFolder(name: string): string[] {
  if (!existsSync(`/${name}`)) return []
  return existsSync(`/usr/${name}`) ? ['--symlink', `usr/${name}`, `/${name}`] : ['--ro-bind', `/${name}`, `/${name}`]
}

function prlimitArgs({ seconds, fileBytes, fewAddresses }: Limits): string[] {
  return [
    ...(fewAddresses ? [`--as=${addressLimit}`] : []),
    `--fsize=${fileBytes}`,
    // A backstop behind the deadline, for as many cores as a tool may keep busy.
    `--cpu=${Math.ceil(seconds) * 64}`,
    '--nofile=256',
    '--core=0',
    '--',
  ]
}

function weakSandbox(found: Programs, { reason, asked }: { reason: string; asked: boolean }): Sandbox {
  const wrap = ({ program, args, limits }: Confined) => {
    const chain = [
      ...(found.nice ? [found.nice, '-n', String(limits.niceness)] : []),
      ...(found.setpriv ? [found.setpriv, '--pdeathsig', 'KILL', '--no-new-privs'] : []),
      ...(found.prlimit ? [found.prlimit, ...prlimitArgs(limits)] : []),
      program,
      ...args,
    ]
    return { file: chain[0] ?? program, args: chain.slice(1) }
  }
  return { kind: 'weak', reason, asked, wrap }
}

/** The folder of the packages that hold `name`, as a tool needs to see it. */
export function packagesFolder(resolved: string): string {
  const end = resolved.lastIndexOf('/node_modules/')
  return end === -1 ? dirname(resolved) : resolved.slice(0, end + '/node_modules'.length)
}
