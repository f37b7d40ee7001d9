import type { Canaries } from './canaries.ts'
import type { Seeds } from './seeds.ts'

/** What an attack is aimed at, and made of. */
export interface Given {
  aims: Canaries
  seeds: Seeds
}

export interface Attack {
  name: string
  /** As its sender calls it. */
  filename: string
  /** What it would be taken for where the door is fooled. */
  as: 'image' | 'video' | 'audio'
  content_type?: string
  bytes(given: Given): Buffer | Promise<Buffer>
  /** How it may end: with one of these codes, refused or failed, or `processed`. */
  ends: readonly Ending[]
  /** Small and fast enough for every run of the tests. */
  quick?: true
}

export type Ending =
  | 'processed'
  | 'unsupported_media'
  | 'undecodable'
  | 'no_streams'
  | 'too_many_pixels'
  | 'too_long'
  | 'output_mismatch'
  | 'memory_exceeded'
  | 'deadline_exceeded'

/** Refused at the door by its first bytes; by the tools, where the door were not. */
export const refused: readonly Ending[] = ['unsupported_media']
/** Taken at the door for what it claims to be, and then nothing of it can be read. */
export const unreadable: readonly Ending[] = ['undecodable', 'no_streams', 'unsupported_media']

/** A file of text, refused at the door. */
export function textAttack(name: string, filename: string, as: Attack['as'], text: (aims: Canaries) => string): Attack {
  return { name, filename, as, ends: refused, quick: true, bytes: ({ aims }) => Buffer.from(text(aims), 'latin1') }
}

/** All ways to name what must not be touched. */
export function addressesOf({ tcp, secret, trap, unix }: Canaries): string[] {
  return [
    `file://${trap}`,
    `file:${secret}`,
    trap,
    `http://127.0.0.1:${tcp.v4}/a.ts`,
    `http://[::1]:${tcp.v6}/a.ts`,
    `tcp://127.0.0.1:${tcp.v4}`,
    `udp://127.0.0.1:${tcp.v4}`,
    `rtmp://127.0.0.1:${tcp.v4}/live`,
    `unix:${unix}`,
    `concat:${secret}|${trap}`,
    `crypto+file:${trap}`,
    `subfile,,start,0,end,64,,:${trap}`,
    `async:file:${trap}`,
    `cache:file:${trap}`,
    `data:text/plain,hello`,
    `../../../../../../..${trap}`,
  ]
}
