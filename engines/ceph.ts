/**
 * An S3 gateway: Ceph's, of Debian's packages `ceph-mon ceph-osd radosgw ceph-common`, its objects in memory.
 * One monitor, one store, one gateway, no manager; up in some 15 s, 300 MB.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../acceptance/ports.ts'
import { type Engine, type Host, runByHand, startEngine, waitUntil } from './engine.ts'

/** Bytes of objects that it holds. */
const capacity = 4 * 1024 ** 3

interface Site {
  host: Host
  conf: string
  fsid: string
  monitors: string
  gateway: number
}

export async function startCeph(): Promise<Engine> {
  return await startEngine('ceph', async (host) => {
    const site = await writeSite(host)
    await startMonitor(site)
    await startStore(site)
    const keys = {
      access: `AK${randomBytes(9).toString('hex').toUpperCase()}`,
      secret: randomBytes(20).toString('hex'),
    }
    await startGateway(site, keys)
    const endpoint = `http://127.0.0.1:${site.gateway}`
    return {
      OBJECTS_DRIVER: 's3',
      OBJECTS_S3_ENDPOINT: endpoint,
      OBJECTS_S3_PUBLIC_ENDPOINT: endpoint,
      OBJECTS_S3_REGION: 'us-east-1',
      OBJECTS_S3_PATH_STYLE: 'true',
      AWS_ACCESS_KEY_ID: keys.access,
      AWS_SECRET_ACCESS_KEY: keys.secret,
    }
  })
}

async function writeSite(host: Host): Promise<Site> {
  const { folder } = host
  for (const name of ['mon', 'osd', 'log', 'run']) await mkdir(join(folder, name))
  const [second, first, gateway] = [await freePort(), await freePort(), await freePort()]
  const fsid = randomUUID()
  const monitors = `[v2:127.0.0.1:${second},v1:127.0.0.1:${first}]`
  const conf = join(folder, 'ceph.conf')
  await writeFile(conf, configuration({ folder, fsid, monitors, gateway }))
  return { host, conf, fsid, monitors, gateway }
}

async function startMonitor({ host, conf, fsid, monitors }: Site): Promise<void> {
  const map = join(host.folder, 'monmap')
  await host.run('monmaptool', ['--create', '--clobber', '--addv', 'a', monitors, '--fsid', fsid, map])
  await host.run('ceph-mon', ['-c', conf, '-i', 'a', '--mkfs', '--monmap', map])
  const monitor = host.start('mon', 'ceph-mon', ['-c', conf, '-i', 'a', '-f'])
  const asked = () => host.run('ceph', ['-c', conf, '--connect-timeout', '5', '-s'], { timeoutMs: 10_000 })
  await waitUntil('the monitor', async () => (await asked()) !== '', { process: monitor })
}

async function startStore({ host, conf }: Site): Promise<void> {
  const uuid = randomUUID()
  const id = (await host.run('ceph', ['-c', conf, 'osd', 'new', uuid])).trim()
  await host.run('ceph-osd', ['-c', conf, '-i', id, '--mkfs', '--osd-uuid', uuid])
  const store = host.start('osd', 'ceph-osd', ['-c', conf, '-i', id, '-f'])
  const asked = () => host.run('ceph', ['-c', conf, 'osd', 'stat'], { timeoutMs: 10_000 })
  await waitUntil('the store', async () => (await asked()).includes('1 up'), { process: store })
}

async function startGateway({ host, conf, gateway }: Site, keys: { access: string; secret: string }): Promise<void> {
  const name = ['-c', conf, '-n', 'client.rgw.a']
  const user = ['user', 'create', '--uid=service', '--display-name=service']
  await host.run('radosgw-admin', [...name, ...user, `--access-key=${keys.access}`, `--secret-key=${keys.secret}`])
  const server = host.start('rgw', 'radosgw', [...name, '-f'])
  const asked = async () => (await fetch(`http://127.0.0.1:${gateway}/`)).ok
  await waitUntil('the gateway', asked, { process: server })
}

function configuration({ folder, fsid, monitors, gateway }: Omit<Site, 'host' | 'conf'> & { folder: string }): string {
  return `[global]
fsid = ${fsid}
mon host = ${monitors}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
auth cluster required = none
auth service required = none
auth client required = none
run dir = ${folder}/run
admin socket = ${folder}/run/$cluster-$name.asok
pid file = ${folder}/run/$name.pid
log file = ${folder}/log/$name.log
crash dir = ${folder}/run
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 2000
mon data avail crit = 1
mon pg warn min per osd = 0
osd class dir = /usr/lib/x86_64-linux-gnu/rados-classes
erasure code dir = /usr/lib/x86_64-linux-gnu/ceph/erasure-code
plugin dir = /usr/lib/x86_64-linux-gnu/ceph
[mon]
mon data = ${folder}/mon
mon initial members = a
[osd]
osd data = ${folder}/osd
osd objectstore = memstore
memstore device bytes = ${capacity}
osd max object name len = 460
osd max object namespace len = 64
[client.rgw.a]
rgw frontends = beast endpoint=127.0.0.1:${gateway} tcp_nodelay=1
rgw dns name = localhost
rgw enable usage log = false
rgw run sync thread = false
rgw thread pool size = 32
ms mon client mode = crc
rgw crypt require ssl = false
rgw lc debug interval = 10
# What is removed or aborted gives its memory back soon.
rgw gc obj min wait = 5
rgw gc processor period = 5
rgw gc processor max time = 5
`
}

if (import.meta.main) await runByHand(startCeph)
