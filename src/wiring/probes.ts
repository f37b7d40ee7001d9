import { openProbes, type ProbeDeps } from '../http/probes.ts'
import { listenStandalone } from '../http/standalone.ts'
import type { Site } from './site.ts'

/** `/healthz`, `/readyz` and `/metrics` of a process without an API, on a port of their own. @returns the address */
export async function listenForProbes(
  site: Site,
  { port, portSetting, ...given }: Pick<ProbeDeps, 'readiness' | 'drivers' | 'metrics'> & ProbePort,
): Promise<string> {
  const server = await listenStandalone({ ...site.config.http, port, portSetting }, openProbes({ ...site, ...given }))
  site.closers.add('probes', server.close)
  return server.address
}

interface ProbePort {
  port: number
  portSetting: string
}
