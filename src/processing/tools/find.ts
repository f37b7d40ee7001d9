import { spawn } from 'node:child_process'
import { findProgram, toolEnvironment } from './sandbox.ts'

/** The tools for video and sound, as found on this machine. */
export interface Tools {
  /** Absolute paths. */
  ffmpeg: string
  ffprobe: string
  /** `5.1.9-0+deb12u1`. */
  version: string
  /** Whether HDR can be mapped to SDR: the filters `zscale` and `tonemap` are there. */
  canToneMap: boolean
  /** Whether it writes Opus: libopus is there. */
  canOpus: boolean
}

const oldest = [5, 1]

/**
 * Looks for ffmpeg and ffprobe and asks them what they can do.
 * `problem` is one line for the operator when video and sound cannot be processed; pictures still can.
 */
export async function findTools(settings: {
  ffmpeg: string
  ffprobe: string
}): Promise<{ tools: Tools; problem: null } | { tools: null; problem: string }> {
  const ffmpeg = await findProgram(settings.ffmpeg)
  if (!ffmpeg) return missing('ffmpeg', 'FFMPEG_PATH', settings.ffmpeg)
  const ffprobe = await findProgram(settings.ffprobe)
  if (!ffprobe) return missing('ffprobe', 'FFPROBE_PATH', settings.ffprobe)

  const version = /^ffmpeg version (\S+)/.exec(await ask(ffmpeg, ['-version']))?.[1]
  if (!version) return { tools: null, problem: `${ffmpeg} does not run, or is not ffmpeg. Set FFMPEG_PATH.` }
  if (isTooOld(version)) {
    return { tools: null, problem: `ffmpeg ${version} at ${ffmpeg} is too old: 5.1 or newer is needed.` }
  }
  if (!/^ffprobe version /.test(await ask(ffprobe, ['-version']))) {
    return { tools: null, problem: `${ffprobe} does not run, or is not ffprobe. Set FFPROBE_PATH.` }
  }
  const [encoders, filters] = await Promise.all([ask(ffmpeg, ['-encoders']), ask(ffmpeg, ['-filters'])])
  if (!/ libx264 /.test(encoders)) return { tools: null, problem: `${ffmpeg} was built without libx264.` }
  const canToneMap = / zscale /.test(filters) && / tonemap /.test(filters)
  const canOpus = / libopus /.test(encoders)
  return { tools: { ffmpeg, ffprobe, version, canToneMap, canOpus }, problem: null }
}

function missing(name: string, variable: string, looked: string): { tools: null; problem: string } {
  const problem = `${name} was not found (looked for "${looked}"): video and sound cannot be processed. Install it (Debian: apt-get install ffmpeg) or set ${variable}.`
  return { tools: null, problem }
}

/** A build from a development branch has no number (`N-109…`): taken to be new. */
function isTooOld(version: string): boolean {
  const match = /^n?(\d+)\.(\d+)/.exec(version)
  if (!match) return false
  const [major, minor] = [Number(match[1]), Number(match[2])]
  return major < (oldest[0] ?? 0) || (major === oldest[0] && minor < (oldest[1] ?? 0))
}

/** What our own question to a tool brings; empty when it does not run. */
function ask(program: string, args: string[]): Promise<string> {
  return new Promise((resolve) => {
    let said = ''
    const options = { env: toolEnvironment, stdio: ['ignore', 'pipe', 'ignore'] as ['ignore', 'pipe', 'ignore'] }
    const child = spawn(program, ['-hide_banner', ...args], { ...options, timeout: 20_000 })
    child.stdout.on('data', (data) => (said += data))
    child.on('error', () => resolve(''))
    child.on('close', () => resolve(said))
  })
}
