// Makes a fresh clone ready: packages, ffmpeg, bubblewrap, converters of large pictures, the console. Runs before `npm start` and `npm test`, on whatever Node
// is installed (18 or later), and does nothing when nothing is missing.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const forBrowser = process.argv.includes('--browser')
const forEngines = process.argv.includes('--engines')
const forCorpus = process.argv.includes('--corpus')
const forTests = forBrowser || forEngines || forCorpus || process.argv.includes('--test')
const oldestNode = 24
// As acceptance/browser/browser.ts looks for them.
const browsers = [process.env.CHROMIUM_PATH ?? 'chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

installPackages()
checkRuntime()
installTools()
buildConsole()

function installPackages() {
  const lock = join(root, 'package-lock.json')
  const installed = join(root, 'node_modules', '.package-lock.json')
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return
  say('installing packages (npm ci)…')
  // Inside a script npm is known by its own file, whichever npm started us.
  const npm = process.env.npm_execpath
  const [command, first] = npm ? [process.execPath, [npm]] : ['npm', []]
  const done = spawnSync(command, [...first, 'ci', '--loglevel=error'], { cwd: root, stdio: ['ignore', 2, 2] })
  if (done.status !== 0) fail('npm ci failed: see above. A network that reaches the npm registry is needed once.')
}

/** The pinned Node comes with the packages; where there is none for this system, the user's own must do. */
function checkRuntime() {
  const pinned = spawnSync(join(root, 'node_modules', '.bin', 'node'), ['--version'], { encoding: 'utf8' })
  const version = pinned.status === 0 ? pinned.stdout.trim() : process.version
  if (Number(version.slice(1).split('.')[0]) >= oldestNode) return
  fail(
    `Node ${oldestNode} or later is needed and none is packaged for this system; this is ${version}. Install it and try again.`,
  )
}

/** The page at `/`, when a source of it is newer than what was built. */
function buildConsole() {
  if (process.argv.includes('--engines')) return
  const built = join(root, 'console', 'dist', 'index.html.gz')
  const sources = ['console/src', 'console/public', 'client/src'].map((name) => join(root, name))
  const single = ['console/index.html', 'console/build.ts', 'console/vite.config.ts', 'package-lock.json']
  const newest = Math.max(...sources.map(newestBelow), ...single.map((name) => changed(join(root, name))))
  if (existsSync(built) && changed(built) >= newest) return
  say('building the console…')
  const own = join(root, 'node_modules', '.bin', 'node')
  const node = runs(own, ['--version']) ? own : process.execPath
  const made = spawnSync(node, ['--disable-warning=ExperimentalWarning', join(root, 'console', 'build.ts')], {
    stdio: ['ignore', 2, 2],
  })
  if (made.status !== 0) fail('the console could not be built: see above.')
}

function newestBelow(folder) {
  return Math.max(
    changed(folder),
    ...readdirSync(folder, { withFileTypes: true }).map((one) => {
      const path = join(folder, one.name)
      return one.isDirectory() ? newestBelow(path) : changed(path)
    }),
  )
}

function changed(path) {
  return statSync(path).mtimeMs
}

function installTools() {
  const missing = []
  const ffmpeg = process.env.FFMPEG_PATH || 'ffmpeg'
  const ffprobe = process.env.FFPROBE_PATH || 'ffprobe'
  if (!runs(ffmpeg, ['-version']) || !runs(ffprobe, ['-version'])) missing.push('ffmpeg')
  if (process.platform === 'linux' && !runs('bwrap', ['--version'])) missing.push('bubblewrap')
  // Named otherwise since libheif 1.19.
  if (!runs('heif-convert', ['--help']) && !runs('heif-dec', ['--help'])) missing.push('libheif-examples')
  if (!runs('avifdec', ['--version'])) missing.push('libavif-bin')
  if (forTests) {
    if (!runs('exiftool', ['-ver'])) missing.push('libimage-exiftool-perl')
    if (process.platform === 'linux' && !runs('strace', ['-V'])) missing.push('strace')
    if (!runs('curl', ['--version'])) missing.push('curl')
    if (!runs('openssl', ['version'])) missing.push('openssl')
    if (!runs('python3', ['--version'])) missing.push('python3')
    if (forBrowser && !browsers.some((name) => runs(name, ['--version']))) missing.push('chromium')
  }
  if (forEngines) missing.push(...missingEngines())
  if (forCorpus) missing.push(...missingJudges())
  if (missing.length === 0) return
  if (installed(missing)) return
  const command = installCommand(missing)
  if (missing.includes('ffmpeg') || forTests)
    fail(`${missing.join(' and ')} missing. Install with:\n\n    ${command}\n`)
  say(`${missing.join(' and ')} missing; for the strong sandbox and large HEIC and AVIF install with: ${command}`)
}

/** What `engines/` starts: Ceph and ClamAV by Debian's packages, the others by Java and Maven. */
function missingEngines() {
  const programs = {
    'ceph-mon': 'ceph-mon',
    'ceph-osd': 'ceph-osd',
    radosgw: 'radosgw',
    'ceph-common': 'radosgw-admin',
  }
  const missing = Object.keys(programs).filter((name) => !runs(programs[name], ['--version']))
  if (!runs('clamd', ['--version'])) missing.push('clamav-daemon')
  if (!runs('java', ['-version'])) missing.push('openjdk-17-jre-headless')
  if (!runs('mvn', ['--version'])) missing.push('maven')
  return missing
}

/** What `acceptance/corpus/` has our outputs looked at by. */
function missingJudges() {
  const programs = {
    mkvmerge: 'mkvtoolnix',
    pngcheck: 'pngcheck',
    jpeginfo: 'jpeginfo',
    webpinfo: 'webp',
  }
  const says = { pngcheck: '-h', webpinfo: '-version' }
  return Object.keys(programs)
    .filter((name) => !runs(name, [says[name] ?? '--version']))
    .map((name) => programs[name])
}

/** Installs by itself only where nobody has to be asked: as root, with Debian's package manager. */
function installed(packages) {
  if (!runs('apt-get', ['--version']) || process.getuid?.() !== 0) return false
  say(`installing ${packages.join(', ')} (apt-get)…`)
  const quiet = { stdio: ['ignore', 'ignore', 2], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } }
  try {
    if (!packages.every((one) => runs('apt-cache', ['show', one]))) execFileSync('apt-get', ['update', '-qq'], quiet)
    const install = () =>
      execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], quiet)
    try {
      install()
    } catch {
      // A list of packages that has grown old names files that are gone.
      execFileSync('apt-get', ['update', '-qq'], quiet)
      install()
    }
    return true
  } catch (error) {
    say(`apt-get could not install them: ${error.message}`)
    return false
  }
}

function installCommand(packages) {
  const names = packages.join(' ')
  if (runs('apt-get', ['--version'])) return `sudo apt-get install ${names}`
  if (runs('dnf', ['--version'])) return `sudo dnf install ${names}`
  if (runs('pacman', ['--version'])) return `sudo pacman -S ${names}`
  if (runs('apk', ['--version'])) return `sudo apk add ${names}`
  if (runs('brew', ['--version'])) return `brew install ${names}`
  return `your system's package manager: ${names}`
}

function runs(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}

function say(line) {
  process.stderr.write(`setup: ${line}\n`)
}

function fail(line) {
  say(line)
  process.exit(1)
}
