import { createReadStream, statSync } from 'node:fs'
import { Agent, type IncomingHttpHeaders, request } from 'node:http'

/**
 * A sender of its own process: `node send.ts DOOR URL FILE [PARALLEL]` sends the file once, as fast as the other side
 * takes it, and prints `{ms}`: from the first request to the last answer. URL is the service's, or for `put` and
 * `tus-at` the address itself.
 */
const [door = '', url = '', file = '', parallel = '1'] = process.argv.slice(2)
const { size } = statSync(file)
const agent = new Agent({ keepAlive: true })
const named = new URLSearchParams({ title: 'sent', filename: 'film.mp4' })
const tus = { 'tus-resumable': '1.0.0' }

interface Answer {
  status: number
  headers: IncomingHttpHeaders
  text: string
}

interface Ask {
  headers?: Record<string, string | number>
  /** What comes before the file's bytes and after them. */
  around?: [string, string]
  /** The file's bytes, the last one not included. */
  range?: [start: number, end: number]
  json?: unknown
}

/** @throws Error with the answer, when it is no success. */
async function ask(method: string, address: string, { headers, range, around, json }: Ask = {}): Promise<Answer> {
  const body = json === undefined ? '' : JSON.stringify(json)
  const [before, after] = around ?? [body, '']
  const bytes = range ? range[1] - range[0] : 0
  const answer = await new Promise<Answer>((resolve, reject) => {
    const asked = request(address, {
      ...{ method, agent },
      headers: {
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        'content-length': Buffer.byteLength(before) + bytes + Buffer.byteLength(after),
        ...headers,
      },
    })
    asked.once('error', reject).once('response', async (reply) => {
      let text = ''
      for await (const part of reply) text += part
      resolve({ status: reply.statusCode ?? 0, headers: reply.headers, text })
    })
    if (before !== '') asked.write(before)
    if (!range || bytes === 0) return void asked.end(after)
    const source = createReadStream(file, { start: range[0], end: range[1] - 1, highWaterMark: 1024 * 1024 })
    source.once('error', reject).once('end', () => asked.end(after))
    source.pipe(asked, { end: false })
  })
  if (answer.status < 200 || answer.status > 299)
    throw new Error(`${method} ${address}: ${answer.status} ${answer.text}`)
  return answer
}

const whole: [number, number] = [0, size]
const base64 = (text: string) => Buffer.from(text).toString('base64')

/** Parts in as many streams as wished; addresses beyond the first are asked for as they are needed. */
async function direct(streams: number): Promise<void> {
  const init = { title: 'sent', filename: 'film.mp4', content_type: 'video/mp4', file_size: size }
  const plan = JSON.parse((await ask('POST', `${url}/api/media/upload/init`, { json: init })).text)
  const at = `${url}/api/media/upload/${plan.media_id}`
  const urls = new Map<number, string>(
    plan.parts.map((part: { part_number: number; url: string }) => [part.part_number, part.url]),
  )
  const sign = async (first: number) => {
    const part_numbers = Array.from({ length: Math.min(100, plan.part_count - first + 1) }, (_, index) => first + index)
    const { parts } = JSON.parse((await ask('POST', `${at}/parts`, { json: { part_numbers } })).text)
    for (const { part_number, url } of parts) urls.set(part_number, url)
  }
  const etags: { part_number: number; etag: string }[] = []
  let next = 1
  const stream = async () => {
    while (next <= plan.part_count) {
      const part_number = next++
      if (!urls.has(part_number)) await sign(part_number)
      const start = (part_number - 1) * plan.part_size
      const range: [number, number] = [start, Math.min(size, start + plan.part_size)]
      const { headers } = await ask('PUT', urls.get(part_number) ?? '', { range })
      etags.push({ part_number, etag: String(headers.etag) })
    }
  }
  await Promise.all(Array.from({ length: streams }, stream))
  etags.sort((a, b) => a.part_number - b.part_number)
  await ask('POST', `${at}/complete`, { json: { parts: etags } })
}

async function tusAt(endpoint: string): Promise<void> {
  const words = { title: 'sent', filename: 'film.mp4', filetype: 'video/mp4' }
  const metadata = Object.entries(words).map(([name, value]) => `${name} ${base64(value)}`)
  const creation = { ...tus, 'upload-length': size, 'upload-metadata': metadata.join(',') }
  const { headers } = await ask('POST', endpoint, { headers: creation })
  const patch = { ...tus, 'upload-offset': 0, 'content-type': 'application/offset+octet-stream' }
  const answer = await ask('PATCH', new URL(String(headers.location), endpoint).href, { headers: patch, range: whole })
  if (Number(answer.headers['upload-offset']) !== size) throw new Error(`at ${answer.headers['upload-offset']}`)
}

const boundary = 'boundary-of-the-sender'
const form: [string, string] = [
  `--${boundary}\r\nContent-Disposition: form-data; name="title"\r\n\r\nsent\r\n--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="film.mp4"\r\nContent-Type: video/mp4\r\n\r\n`,
  `\r\n--${boundary}--\r\n`,
]

const doors: Record<string, () => Promise<unknown>> = {
  form: () =>
    ask('POST', `${url}/api/media/upload`, {
      headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
      ...{ around: form, range: whole },
    }),
  raw: () => ask('PUT', `${url}/api/media/upload?${named}`, { range: whole }),
  direct: () => direct(Number(parallel)),
  tus: () => tusAt(`${url}/api/media/upload/tus`),
  ietf: () =>
    ask('POST', `${url}/api/media/upload/tus?${named}`, {
      headers: { 'upload-complete': '?1', 'upload-draft-interop-version': '6', 'content-type': 'video/mp4' },
      range: whole,
    }),
  'tus-at': () => tusAt(url),
  put: () => ask('PUT', url, { range: whole }),
}

const send = doors[door]
if (!send) throw new Error(`${door} is none of ${Object.keys(doors).join(', ')}`)
const began = performance.now()
await send()
console.log(JSON.stringify({ ms: performance.now() - began }))
agent.destroy()
