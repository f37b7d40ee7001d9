import { createHash, randomBytes } from 'node:crypto'
import { type IncomingHttpHeaders, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Senders for each door. What a door acknowledges they write down; refused by 503 they ask again, as clients do; and
 * when the door dies they stop.
 */

/** One upload as its sender knows it. */
export interface Sent {
  title: string
  /** All bytes, where they are one after another; of parts, the latest of each. */
  whole(): Buffer
  /** The media's name, once it was told. */
  media_id: string | null
  /** By number: all that was ever sent as it, and which of them was acknowledged last. */
  parts: Map<number, { versions: Buffer[]; acknowledged: number }>
  /** Bytes that the door said it holds. */
  offset: number
  completion: 'none' | 'asked' | 'acknowledged'
  removal: 'none' | 'asked' | 'acknowledged'
}

export interface Played {
  sent: Sent[]
  /** Requests refused by 503. */
  refused: number
  /** Answers that nobody should get. */
  wrong: string[]
}

interface Answer {
  status: number
  headers: IncomingHttpHeaders
  json: any
}

class Died extends Error {}

interface Ask {
  headers?: Record<string, string | number>
  body?: Buffer
  /** Bytes of the body after which the line breaks. */
  cutAt?: number
}

/** @throws Died when no answer comes. */
async function ask(port: number, method: string, path: string, given: Ask = {}): Promise<Answer> {
  const { headers = {}, body = Buffer.alloc(0), cutAt } = given
  return await new Promise<Answer>((resolve, reject) => {
    const length = method === 'HEAD' || method === 'DELETE' ? {} : { 'content-length': body.length }
    const asked = request({ port, host: '127.0.0.1', method, path, agent: false, headers: { ...length, ...headers } })
    asked.once('error', (cause) => reject(new Died('no answer', { cause })))
    asked.once('response', async (reply) => {
      let text = ''
      try {
        for await (const part of reply) text += part
        resolve({ status: reply.statusCode ?? 0, headers: reply.headers, json: text && JSON.parse(text) })
      } catch (cause) {
        reject(new Died('half an answer', { cause }))
      }
    })
    if (cutAt === undefined) return void asked.end(body)
    asked.write(body.subarray(0, cutAt), async () => {
      // What is written is not yet read by the other side.
      await sleep(60)
      asked.destroy()
      resolve({ status: 0, headers: {}, json: null })
    })
  })
}

const patience = 6

interface Line {
  /** Asks until it is not refused by 503. */
  insist(method: string, path: string, given?: Ask): Promise<Answer>
  once(method: string, path: string, given?: Ask): Promise<Answer>
  begin(title: string, whole: Buffer): Sent
}

/** Plays one door's piece; resolves with what was acknowledged, though the door may die. */
async function play(port: number, piece: (line: Line) => Promise<void>) {
  const played: Played = { sent: [], refused: 0, wrong: [] }
  const once = async (method: string, path: string, given?: Ask) => {
    const answer = await ask(port, method, path, given)
    if (answer.status === 503) played.refused++
    return answer
  }
  const line: Line = {
    once,
    insist: async (method, path, given) => {
      for (let tries = 1; ; tries++) {
        const answer = await once(method, path, given)
        if (answer.status !== 503) {
          if (answer.status > 299)
            played.wrong.push(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.json)}`)
          return answer
        }
        if (tries === patience) throw new Error(`${method} ${path} was refused ${tries} times`)
      }
    },
    begin: (title, whole) => {
      const sent: Sent = {
        ...{ title, media_id: null, parts: new Map(), offset: 0, completion: 'none', removal: 'none' },
        whole: () => whole,
      }
      played.sent.push(sent)
      return sent
    },
  }
  try {
    await piece(line)
    return { whole: true, played }
  } catch (error) {
    if (!(error instanceof Died)) throw error
    return { whole: false, played }
  }
}

export const partSize = 100_000

export function picture(bytes: number): Buffer {
  return Buffer.concat([Buffer.from('GIF89a'), randomBytes(bytes - 6)])
}

export const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex')

/** One upload whose second part is sent again, and completed twice; one that is given up. */
export const direct = (port: number) =>
  play(port, async (line) => {
    const begin = async (title: string) => {
      const sent = line.begin(title, Buffer.alloc(0))
      sent.whole = () =>
        Buffer.concat([...sent.parts.values()].map(({ versions }) => versions.at(-1) ?? Buffer.alloc(0)))
      const { json } = await line.insist('POST', '/', {
        body: Buffer.from(JSON.stringify({ title, part_size: partSize })),
      })
      sent.media_id = json.media_id
      return sent
    }
    const put = async (sent: Sent, number: number, body: Buffer) => {
      const part = sent.parts.get(number) ?? { versions: [], acknowledged: -1 }
      sent.parts.set(number, part)
      const version = part.versions.push(body) - 1
      const { status, json } = await line.insist('PUT', `/${sent.media_id}/${number}`, { body })
      if (status === 200 && json.etag === md5(body)) part.acknowledged = version
    }
    const complete = async (sent: Sent) => {
      const parts = [...sent.parts].map(([part_number, { versions }]) => ({
        part_number,
        etag: md5(versions.at(-1) ?? Buffer.alloc(0)),
      }))
      if (sent.completion === 'none') sent.completion = 'asked'
      const { status } = await line.insist('POST', `/${sent.media_id}`, { body: Buffer.from(JSON.stringify(parts)) })
      if (status === 200) sent.completion = 'acknowledged'
    }
    const one = await begin('one')
    await put(one, 1, picture(partSize))
    await put(one, 2, picture(30_000))
    await put(one, 2, picture(20_000))
    await complete(one)
    await complete(one)
    const two = await begin('two')
    await put(two, 1, picture(partSize))
    two.removal = 'asked'
    const { status } = await line.insist('DELETE', `/${two.media_id}`)
    if (status === 204) two.removal = 'acknowledged'
  })

/** One body after another. */
export const raw = (port: number) =>
  play(port, async (line) => {
    for (const title of ['one', 'two']) {
      const sent = line.begin(title, picture(400_000))
      sent.completion = 'asked'
      const { status, json } = await line.insist('PUT', `/?title=${title}`, { body: sent.whole() })
      if (status !== 201) continue
      sent.completion = 'acknowledged'
      sent.media_id = json.media_id
    }
  })

/** How the two languages of resumable uploads say the same. */
interface Language {
  create(title: string, size: number): Ask
  /** What a request that goes on says, and to where it comes with that. */
  append(offset: number, complete: boolean): Record<string, string | number>
  head: Record<string, string>
}

const at = '/api/media/upload/tus'
const tusVersion = { 'tus-resumable': '1.0.0' }
const draftVersion = { 'upload-draft-interop-version': '6' }

const languages: Record<'tus' | 'ietf', Language> = {
  tus: {
    create: (title, size) => ({
      headers: {
        ...tusVersion,
        'upload-length': size,
        'upload-metadata': `title ${Buffer.from(title).toString('base64')}`,
      },
    }),
    append: (offset) => ({ ...tusVersion, 'upload-offset': offset, 'content-type': 'application/offset+octet-stream' }),
    head: tusVersion,
  },
  ietf: {
    create: (title, size) => ({
      headers: {
        ...draftVersion,
        'upload-complete': '?0',
        'upload-length': size,
        'content-disposition': `attachment; filename="${title}.gif"`,
      },
    }),
    append: (offset, complete) => ({
      ...draftVersion,
      ...{
        'upload-offset': offset,
        'upload-complete': complete ? '?1' : '?0',
        'content-type': 'application/partial-upload',
      },
    }),
    head: draftVersion,
  },
}

/** More than a part of 8 MiB, in a request that is cut in its first part, one that ends in it, and one to the end. */
const resumable = (language: Language) => (port: number) =>
  play(port, async (line) => {
    const body = picture(9 * 1024 ** 2)
    const sent = line.begin('one', body)
    const { headers } = await line.insist('POST', at, language.create('one', body.length))
    const place = String(headers.location)
    sent.media_id = place.split('/').at(-1) ?? ''
    const told = (answer: Answer) => {
      if (answer.status < 300) sent.offset = Math.max(sent.offset, Number(answer.headers['upload-offset'] ?? 0))
      return answer
    }
    const ask = async () =>
      Number(told(await line.insist('HEAD', place, { headers: language.head })).headers['upload-offset'])
    /** Goes on until the door holds so much: refused or cut, it asks where it is. */
    const goOn = async (to: number, cutAt?: number) => {
      for (let from = await ask(), tries = 0; from < to; from = await ask()) {
        if (tries++ === patience) throw new Error(`still at ${from}`)
        if (to === body.length) sent.completion = 'asked'
        const headers = language.append(from, to === body.length)
        const answer = told(
          await line.once('PATCH', place, { headers, body: body.subarray(from, to), ...(cutAt ? { cutAt } : {}) }),
        )
        if (to === body.length && answer.status !== 0 && answer.status < 300) sent.completion = 'acknowledged'
        if (cutAt) return void (await ask())
      }
    }
    await goOn(2_000_000, 1_000_000)
    await goOn(3_000_000)
    await goOn(body.length)
  })

export const senders = { direct, raw, tus: resumable(languages.tus), ietf: resumable(languages.ietf) }
