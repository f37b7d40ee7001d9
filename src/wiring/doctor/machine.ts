import { access, constants, mkdtemp, open, rm, statfs } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import type { Config } from '../../config.ts'
import { explainListening } from '../../http/listening.ts'
import type { Clock } from '../../media/clock.ts'
import type { Role } from '../site.ts'
import { error, type Finding, ok, warning } from './finding.ts'

/** Bytes free below which uploads will soon be refused, and below which little can be done. */
const little = 10 * 1024 ** 3
const tooLittle = 1024 ** 3
/** Milliseconds of a sync above which each upload waits noticeably. */
const slowSync = 100

export function examineRuntime(): Finding {
  const { node } = process.versions
  if (Number(node.split('.')[0]) >= 24) return ok('node', `Node ${node}`)
  return error('node', `This is Node ${node}.`, 'Install Node 24 or later.')
}

/** Whether the data folder takes bytes durably, and how many more. */
export async function examineDisk({ service }: Config, clock: Clock): Promise<Finding[]> {
  const { dataDir } = service
  const place = await nearest(dataDir)
  try {
    await access(place, constants.W_OK | constants.X_OK)
  } catch {
    return [
      error(
        'disk',
        `Nothing can be written to ${place}.`,
        `Give it to this user, or set DATA_DIR (${dataDir}) to another folder.`,
      ),
    ]
  }
  return [await examineSpace(place), await examineSync(place, clock)]
}

/** The folder itself, or the one that it would be made in. */
async function nearest(path: string): Promise<string> {
  const there = await access(path).then(
    () => true,
    () => false,
  )
  return there || dirname(path) === path ? path : await nearest(dirname(path))
}

async function examineSpace(place: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(place)
  const free = bavail * bsize
  const said = `${(free / 1024 ** 3).toFixed(1)} GiB free in ${place}`
  const mend =
    'Free some, or set DATA_DIR to a larger disk: originals and what is made of them lie there, unless OBJECTS_DRIVER is s3.'
  if (free < tooLittle) return error('disk', said, mend)
  return free < little ? warning('disk', said, mend) : ok('disk', said)
}

async function examineSync(place: string, clock: Clock): Promise<Finding> {
  const folder = await mkdtemp(join(place, '.doctor-')).catch((cause) => cause as NodeJS.ErrnoException)
  if (folder instanceof Error)
    return error(
      'fsync',
      `Nothing can be written to ${place} (${folder.code}).`,
      'Give it to this user, or set DATA_DIR.',
    )
  try {
    const file = await open(join(folder, 'sync'), 'w')
    const began = clock.now()
    try {
      await file.write(Buffer.alloc(1024 ** 2, 1))
      await file.sync()
    } finally {
      await file.close()
    }
    const took = clock.now() - began
    const said = `1 MiB is synced in ${took} ms`
    return took <= slowSync
      ? ok('fsync', said)
      : warning('fsync', said, 'Each upload waits for it. A local disk is faster than one over a network.')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    return error(
      'fsync',
      `What is written to ${place} cannot be synced (${code}).`,
      'Uploads would not be durable there: set DATA_DIR to a local disk.',
    )
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Whether what listens can. */
export async function examinePorts({ http, worker, delivery }: Config, role: Role): Promise<Finding[]> {
  const ports = [
    ...(role === 'worker' ? [] : [{ host: http.host, port: http.port, portSetting: 'PORT' }]),
    ...(role === 'worker' && worker.port !== null
      ? [{ host: http.host, port: worker.port, portSetting: 'WORKER_PORT' }]
      : []),
    ...(role === 'edge' && delivery.metricsPort !== null
      ? [{ host: http.host, port: delivery.metricsPort, portSetting: 'EDGE_METRICS_PORT' }]
      : []),
  ]
  return await Promise.all(ports.map(examinePort))
}

async function examinePort(at: { host: string; port: number; portSetting: string }): Promise<Finding> {
  const { host, port, portSetting } = at
  const server = createServer()
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, host, resolve)
    })
    await new Promise((resolve) => server.close(resolve))
    return ok('port', port === 0 ? `${portSetting} takes a free one on ${host}` : `${host}:${port} is free`)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EADDRINUSE' && (await isOurs(host, port))) {
      return ok('port', `${host}:${port} is taken by a Media Service that runs`)
    }
    const [what = '', ...todo] = (explainListening(cause, at) as Error).message.split(/(?<=\.) /)
    return error('port', what, todo.join(' ') || `Set ${portSetting} or HOST.`)
  }
}

async function isOurs(host: string, port: number): Promise<boolean> {
  const answers = ['http', 'https'].map(async (scheme) => {
    const reply = await fetch(`${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}/healthz`, {
      signal: AbortSignal.timeout(2_000),
    })
    if (!reply.ok) throw new Error('another')
  })
  return await Promise.any(answers).then(
    () => true,
    () => false,
  )
}
