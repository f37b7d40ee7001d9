import { createHash, randomFillSync } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { appendFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { makeSample } from '../../acceptance/samples.ts'
import { startTarget, type Target } from '../../acceptance/target.ts'
import { createClient } from './client.ts'
import type { Media } from './contract.ts'
import { openProxy } from './proxy.test.ts'
import type { ClientOptions } from './requests.ts'

/** Not a test: a real service behind a network that breaks as asked, for the tests beside this file. */

export type Kit = Awaited<ReturnType<typeof openKit>>

/** @param options without `role`, media are not processed */
export async function openKit({ role = 'serve', env = {} }: { role?: string; env?: Record<string, string> } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'client-'))
  const dataDir = join(folder, 'data')
  const proxy = await openProxy()
  const start = async (): Promise<Target> => {
    const target = await startTarget({ role, dataDir, env: { PUBLIC_URL: proxy.url, ...env } })
    proxy.lead(target.url)
    return target
  }
  let target = await start().catch(async (error) => {
    await proxy.close()
    throw error
  })

  return {
    url: proxy.url,
    proxy,
    folder,
    dataDir,
    client: (options: Partial<ClientOptions> = {}) => createClient({ baseUrl: proxy.url, ...options }),
    /** A power cut, and the service again after `ms`, over the same data. */
    async restart(ms = 0): Promise<void> {
      await target.kill()
      await new Promise((resolve) => setTimeout(resolve, ms))
      target = await start()
    },
    /** A file that is taken for a video: a real one's beginning, then bytes that never repeat. */
    async makeFile(bytes: number, name = 'film.mp4'): Promise<{ path: string; sha256: string }> {
      const path = join(folder, name)
      const sample = Buffer.from(await (await makeSample('clip.mp4')).arrayBuffer())
      await writeFile(path, sample.subarray(0, bytes))
      for (let left = bytes - sample.length; left > 0; left -= 2 ** 20) {
        await appendFile(path, randomFillSync(Buffer.allocUnsafe(Math.min(left, 2 ** 20))))
      }
      return { path, sha256: await sha256Of(path) }
    },
    /** SHA-256 of what the service has stored as the raw media. */
    async storedSha256({ temp_s3_url }: Pick<Media, 'temp_s3_url'>): Promise<string> {
      const name = temp_s3_url?.split('/').at(-1) ?? 'none'
      const found = await readdir(join(dataDir, 'objects'), { recursive: true, withFileTypes: true })
      const file = found.find((one) => one.isFile() && one.name === name)
      if (!file) throw new Error(`the service holds no ${name}`)
      return await sha256Of(join(file.parentPath, file.name))
    },
    async [Symbol.asyncDispose]() {
      await target.kill()
      await proxy.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash)
  return hash.digest('hex')
}

/** Waits for a state, and says so when it does not come. */
export async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    if (tries > 6_000) throw new Error(`never came: ${holds}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
