import { execFile } from 'node:child_process'
import { closeSync, openSync, readSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { UploadPlan } from '../contract/upload.ts'

const run = promisify(execFile)
const tus = { 'tus-resumable': '1.0.0' }

/** Sends a file in one request by curl, which leaves the machine's cores to the server; resolves with the milliseconds. */
export async function sendByCurl(door: string, url: string, film: string, size: number): Promise<number> {
  const began = performance.now()
  const args = await argumentsOf(door, url, film, size)
  // Waiting for a `100 Continue` is no part of what is compared.
  const { stdout } = await run('curl', ['-sS', '-o', '/dev/null', '-w', '%{http_code}', '-H', 'expect:', ...args])
  if (!/^20[0-9]$/.test(stdout)) throw new Error(`${door} answered ${stdout}`)
  return performance.now() - began
}

async function argumentsOf(door: string, url: string, film: string, size: number): Promise<string[]> {
  const uploads = `${url}/api/media/upload`
  switch (door) {
    case 'put':
      return ['-T', film, url]
    case 'form':
      return ['-F', 'title=sent', '-F', `file=@${film}`, uploads]
    case 'raw':
      return ['-T', film, `${uploads}?title=sent`]
    case 'ietf': {
      const headers = { 'upload-complete': '?1', 'upload-draft-interop-version': '6', 'content-type': 'video/mp4' }
      return ['-X', 'POST', ...asArguments(headers), '-T', film, `${uploads}/tus?title=sent`]
    }
    case 'tus':
      return await patchOf(`${uploads}/tus`, film, size)
    case 'tus-at':
      return await patchOf(url, film, size)
    default:
      throw new Error(`no door "${door}"`)
  }
}

async function patchOf(endpoint: string, film: string, size: number): Promise<string[]> {
  const metadata = `title ${btoa('sent')},filename ${btoa('film.mp4')},filetype ${btoa('video/mp4')}`
  const headers = { ...tus, 'upload-length': String(size), 'upload-metadata': metadata }
  const created = await fetch(endpoint, { method: 'POST', headers })
  if (created.status !== 201) throw new Error(`the creation answered ${created.status}`)
  const address = new URL(created.headers.get('location') ?? '', endpoint).href
  const patch = { ...tus, 'upload-offset': '0', 'content-type': 'application/offset+octet-stream' }
  return ['-X', 'PATCH', ...asArguments(patch), '-T', film, address]
}

function asArguments(headers: Record<string, string>): string[] {
  return Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
}

/** Bytes of a part of what is measured here: up to 50 GB it is this. */
const partSize = 5 * 1024 ** 2

/** Cuts a file into one file a part, for `sendPartsByCurl`. */
export function cutIntoParts(film: string, folder: string): void {
  const from = openSync(film, 'r')
  const buffer = Buffer.alloc(partSize)
  for (let part = 1; ; part++) {
    const read = readSync(from, buffer, 0, partSize, null)
    if (read === 0) break
    writeFileSync(join(folder, String(part)), buffer.subarray(0, read))
  }
  closeSync(from)
}

/** Sends the parts, `parallel` at a time, and completes; resolves with the milliseconds from the first part on. */
export async function sendPartsByCurl(url: string, folder: string, given: { size: number; parallel: number }) {
  const { size, parallel } = given
  const init = { title: 'sent', filename: 'film.mp4', content_type: 'video/mp4', file_size: size }
  const { media_id, part_count, part_size } = await post<UploadPlan>(`${url}/api/media/upload/init`, init)
  if (part_size !== partSize) throw new Error(`parts of ${part_size} bytes`)
  const part_numbers = Array.from({ length: part_count }, (_, index) => index + 1)
  const upload = `${url}/api/media/upload/${media_id}`
  const { parts } = await post<Pick<UploadPlan, 'parts'>>(`${upload}/parts`, { part_numbers })
  const lines = parts.map((part) => `upload-file = "${join(folder, String(part.part_number))}"\nurl = "${part.url}"\n`)
  const config = join(folder, 'curl.conf')
  writeFileSync(config, lines.join(''))
  const began = performance.now()
  const many = parallel > 1 ? ['--parallel', '--parallel-immediate', '--parallel-max', String(parallel)] : []
  const { stdout } = await run('curl', [
    '-sS',
    '-H',
    'expect:',
    ...many,
    '-w',
    '%{urlnum} %header{etag}\\n',
    '-K',
    config,
  ])
  const etags = stdout
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
    .map(([number, etag = '']) => ({ part_number: Number(number) + 1, etag }))
  await post(`${upload}/complete`, { parts: etags.sort((a, b) => a.part_number - b.part_number) })
  return performance.now() - began
}

async function post<T>(url: string, body: unknown): Promise<T> {
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`)
  return (await answer.json()) as T
}
