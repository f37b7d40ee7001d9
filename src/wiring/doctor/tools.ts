import type { Config } from '../../config.ts'
import { isLoopback } from '../../http/identity.ts'
import { readSteps } from '../../processing/gates/steps.ts'
import { readProfiles } from '../../processing/profiles.ts'
import { findTools } from '../../processing/tools/find.ts'
import { pictureAbilities, takeInventory } from '../../processing/tools/inventory.ts'
import { converterNames, findConverters, type HeavyFormat } from '../../processing/tools/picture-converters.ts'
import { isVideoSafe, probeSandbox } from '../../processing/tools/sandbox.ts'
import type { Role } from '../site.ts'
import { error, type Finding, ok, tried, warning } from './finding.ts'

/** What a worker runs: ffmpeg with its codecs, pictures, the sandbox. */
export async function examineTools(config: Config, role: Role): Promise<Finding[]> {
  return [
    ...(await examineFfmpeg(config)),
    await examinePictures(),
    ...(await examineConverters()),
    await examineSandbox(config, role),
    ...(config.processing.profilesFile === undefined ? [] : [await examineProfiles(config.processing.profilesFile)]),
    ...(config.processing.stepsFile === undefined ? [] : [await examineSteps(config.processing.stepsFile)]),
  ]
}

async function examineFfmpeg({ processing }: Config): Promise<Finding[]> {
  const { tools, problem } = await findTools(processing)
  if (!tools)
    return [
      error(
        'ffmpeg',
        problem,
        'Debian: apt-get install ffmpeg. Elsewhere: a build with libx264, named by FFMPEG_PATH and FFPROBE_PATH.',
      ),
    ]
  const { has, lacks } = await takeInventory(tools.ffmpeg)
  const built = ok('codecs', has.map(({ name }) => name).join(' '))
  const missing = lacks.map(({ kind, name, needed, purpose }) => {
    const detail = `This ffmpeg has no ${kind} ${name}: ${purpose} cannot be made.`
    const mend = 'Install a full build, as Debian’s is, or name one by FFMPEG_PATH.'
    return needed ? error('codecs', detail, mend) : warning('codecs', detail, mend)
  })
  return [ok('ffmpeg', `${tools.version} at ${tools.ffmpeg}, ffprobe at ${tools.ffprobe}`), built, ...missing]
}

async function examinePictures(): Promise<Finding> {
  const mend = 'Install the packages again, for this system: npm ci, or npm install.'
  try {
    const { version, lacks } = await pictureAbilities()
    const said = `sharp ${version}`
    return lacks.length === 0
      ? ok('pictures', said)
      : warning('pictures', `${said} does not read ${lacks.join(', ')}.`, mend)
  } catch (cause) {
    return error('pictures', `sharp cannot be loaded: ${(cause as Error).message.split('\n')[0]}`, mend)
  }
}

/** Without them small pictures of these formats are made all the same. */
async function examineConverters(): Promise<Finding[]> {
  const found = await findConverters()
  return (Object.keys(converterNames) as HeavyFormat[]).map((format) => {
    const { names, debian } = converterNames[format]
    const converter = found[format]
    if (converter) return ok('large pictures', `${names[0]} ${converter.version} at ${converter.program}`)
    return warning(
      'large pictures',
      `${names[0]} is not there: ${format.toUpperCase()} of more than about 14 megapixels is refused.`,
      `Debian: apt-get install ${debian}. Elsewhere: the programs of ${format === 'heic' ? 'libheif' : 'libavif'}, on PATH.`,
    )
  })
}

async function examineSandbox({ processing, http }: Config, role: Role): Promise<Finding> {
  const install =
    'Debian: apt-get install bubblewrap. In a container, allow user namespaces, or say SANDBOX=weak where the container itself is the wall.'
  try {
    const sandbox = await probeSandbox(processing.sandbox)
    if (sandbox.kind === 'bwrap') return ok('sandbox', 'bubblewrap works')
    const safe = isVideoSafe(sandbox, { loopback: role !== 'worker' && isLoopback(http.host) })
    if (!safe) return error('sandbox', `weak: ${sandbox.reason}. Video and sound are refused.`, install)
    return sandbox.asked
      ? ok('sandbox', 'weak, as SANDBOX says')
      : warning('sandbox', `weak: ${sandbox.reason}.`, install)
  } catch (cause) {
    return error('sandbox', (cause as Error).message, install)
  }
}

async function examineProfiles(file: string): Promise<Finding> {
  return await tried('profiles', async () => `${(await readProfiles(file)).names.join(', ')} of ${file}`)
}

async function examineSteps(file: string): Promise<Finding> {
  return await tried('steps', async () => `${(await readSteps(file)).map(({ name }) => name).join(', ')} of ${file}`)
}
