import { type FileHandle, open } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { MediaError } from '../../media/errors.ts'
import { reasonOf } from '../tools/run.ts'
import { whereIs } from './address.ts'

/** What clamd says of a file. */
export type Scan = { found: null } | { found: string } | 'too_large'

/** Bytes of one chunk; clamd takes any up to its own `StreamMaxLength`. */
const chunkBytes = 256 * 1024
/** Milliseconds in which nothing is sent or heard: it scans while we wait, an archive for minutes. */
const silenceLimit = 300_000
const answerLimit = 4096

/**
 * Has a running clamd scan a file: its bytes are sent, so that it need not be on this machine.
 * `too_large` when it is longer than clamd's `StreamMaxLength`.
 * https://docs.clamav.net/manual/Usage/Scanning.html#clamd
 * @param address `host:port`, or the path of a socket
 * @throws MediaError `scanner_unavailable` when there is no answer to trust
 */
export async function scanFile(path: string, given: { address: string; signal: AbortSignal }): Promise<Scan> {
  const { address, signal } = given
  const socket = connect(whereIs(address))
  const cut = () => socket.destroy(reasonOf(signal))
  signal.addEventListener('abort', cut)
  socket.setTimeout(silenceLimit, () => socket.destroy(new Error('clamd fell silent')))
  const answer = collectAnswer(socket)
  const file = await open(path)
  try {
    signal.throwIfAborted()
    // It may answer and hang up before it has all: what counts is its answer.
    await sendFile(socket, file).catch(() => {})
    return readAnswer(await answer)
  } catch (error) {
    if (signal.aborted) throw reasonOf(signal)
    if (error instanceof MediaError) throw error
    throw new MediaError('scanner_unavailable', `clamd at ${address} gave no answer`, { cause: error })
  } finally {
    signal.removeEventListener('abort', cut)
    socket.destroy()
    await file.close()
  }
}

/** `zINSTREAM\0`, then chunks behind their lengths, then an empty one. */
async function sendFile(socket: Socket, file: FileHandle): Promise<void> {
  await write(socket, Buffer.from('zINSTREAM\0'))
  const buffer = Buffer.allocUnsafe(chunkBytes + 4)
  for (;;) {
    const { bytesRead } = await file.read(buffer, 4, chunkBytes, null)
    buffer.writeUInt32BE(bytesRead, 0)
    await write(socket, buffer.subarray(0, bytesRead + 4))
    if (bytesRead === 0) return
  }
}

/** Resolves when the bytes have left, so that their buffer may be used again. */
function write(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => socket.write(bytes, (error) => (error ? reject(error) : resolve())))
}

/** All it says until it hangs up, or the zero byte that ends it. */
function collectAnswer(socket: Socket): Promise<string> {
  const heard = new Promise<string>((resolve, reject) => {
    let text = ''
    socket.on('data', (data) => {
      text = (text + data.toString('latin1')).slice(0, answerLimit)
      if (text.includes('\0')) resolve(text)
    })
    socket.on('error', (error) => (text === '' ? reject(error) : resolve(text)))
    socket.on('close', () => resolve(text))
  })
  heard.catch(() => {}) // awaited once all is sent
  return heard
}

/** `stream: OK`, `stream: Win.Test.EICAR_HDB-1 FOUND`, `INSTREAM size limit exceeded. ERROR`. */
function readAnswer(said: string): Scan {
  const line = said.replace(/\0[\s\S]*/, '').trim()
  if (line === 'stream: OK') return { found: null }
  const found = /^stream: (.+) FOUND$/.exec(line)?.[1]
  // With `AlertExceedsMax` it says so of what it has read only in part.
  if (found?.startsWith('Heuristics.Limits.Exceeded')) return 'too_large'
  if (found) return { found }
  if (/size limit exceeded/i.test(line)) return 'too_large'
  throw new MediaError('scanner_unavailable', `clamd said "${line.slice(0, 200)}"`)
}
