import { createReadStream, statSync } from 'node:fs'
import { Uppy } from '@uppy/core'
import UppyTus from '@uppy/tus'
import * as tus from 'tus-js-client'
import { createClient } from '../../client/src/index.ts'
import { fileSource, folderResumeStore } from '../../client/src/node.ts'

/**
 * A client of its own process: `node uploader.ts CLIENT URL FILE MEMORY` uploads the file and says on a line of its own
 * each request that begins an upload, and the end. The libraries are as npm has them.
 */
const [name = '', url = '', file = '', memory = ''] = process.argv.slice(2)
const size = statSync(file).size
const endpoint = `${url}/api/media/upload/tus`
const title = `by ${name}`
const say = (what: object) => process.stdout.write(`${JSON.stringify(what)}\n`)

/** A phone tries for a minute before it tells its owner; each success begins the row again. */
const retryDelays = [50, 100, 200, 400, 800, 1_600, 3_000, 5_000, 10_000, 20_000, 20_000]

function onAfterResponse(request: tus.HttpRequest, response: tus.HttpResponse): void {
  if (request.getMethod() === 'POST') say({ begun: response.getStatus() })
}

/** tus-js-client by itself; its two protocols differ in where the words of the upload go. */
async function byTus(protocol: 'tus-v1' | 'ietf-draft-05', options: Partial<tus.UploadOptions>): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const upload = new tus.Upload(createReadStream(file) as never, {
      ...{ endpoint, protocol, retryDelays, onAfterResponse, uploadSize: size, onSuccess: () => resolve() },
      onError: reject,
      ...options,
    })
    upload.start()
  })
}

/** Uppy's own plugin; in Node its file is a stream that knows its size. */
async function byUppy(): Promise<void> {
  const uppy = new Uppy({ autoProceed: false }).use(UppyTus, { endpoint, retryDelays, onAfterResponse } as never)
  const data = Object.assign(createReadStream(file), { size })
  uppy.addFile({ name: 'film.mp4', type: 'video/mp4', data: data as never, meta: { title } })
  const { failed = [] } = (await uppy.upload()) ?? {}
  if (failed.length > 0) throw new Error(String(failed[0]?.error))
}

async function byClient(): Promise<void> {
  const client = createClient({ baseUrl: url })
  await client.upload(await fileSource(file), { title, filename: 'film.mp4', resume: folderResumeStore(memory) })
}

const clients: Record<string, () => Promise<void>> = {
  'tus-js-client': () => byTus('tus-v1', { metadata: { title, filename: 'film.mp4', filetype: 'video/mp4' } }),
  'tus-js-client (IETF draft)': () =>
    byTus('ietf-draft-05', { endpoint: `${endpoint}?${new URLSearchParams({ title, filename: 'film.mp4' })}` }),
  uppy: byUppy,
  client: byClient,
}

const run = clients[name]
if (!run) throw new Error(`${name} is none of ${Object.keys(clients).join(', ')}`)
await run()
say({ done: true })
