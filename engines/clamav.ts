/**
 * ClamAV's daemon, of Debian's package `clamav-daemon`, on signatures of our own: one that finds the EICAR test file
 * wherever it stands in another. No network, no updates; up in a second.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../acceptance/ports.ts'
import { type Engine, runByHand, startEngine, waitForPort } from './engine.ts'

/** The file that every scanner finds, in two pieces so that none finds it here. https://www.eicar.org */
export const eicar = ['X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR', '-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*'].join('')
/** Bytes, as `StreamMaxLength` has it. */
export const longestStream = 2 * 1024 ** 2

export async function startClamav({ port }: { port?: number } = {}): Promise<Engine> {
  return await startEngine('clamav', async (host) => {
    const signatures = join(host.folder, 'signatures')
    await mkdir(signatures)
    // Name, any kind of file, any offset, bytes.
    await writeFile(join(signatures, 'local.ndb'), `Eicar-Signature:0:*:${Buffer.from(eicar).toString('hex')}\n`)
    const conf = join(host.folder, 'clamd.conf')
    const chosen = port ?? (await freePort())
    await writeFile(conf, configuration({ folder: host.folder, signatures, port: chosen }))
    const daemon = host.start('clamd', 'clamd', ['--config-file', conf])
    await waitForPort(chosen, { process: daemon })
    return { CLAMD_ADDRESS: `127.0.0.1:${chosen}` }
  })
}

function configuration({ folder, signatures, port }: { folder: string; signatures: string; port: number }): string {
  return `Foreground yes
TCPAddr 127.0.0.1
TCPSocket ${port}
LocalSocket ${join(folder, 'clamd.sock')}
DatabaseDirectory ${signatures}
TemporaryDirectory ${folder}
StreamMaxLength ${longestStream}
MaxThreads 2
`
}

if (import.meta.main) await runByHand(startClamav)
