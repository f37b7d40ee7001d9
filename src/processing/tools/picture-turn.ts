import { type FileHandle, open } from 'node:fs/promises'
import type { Sharp } from 'sharp'

/**
 * What the properties of an AVIF say is to be done with its coded pixels, in this order (MIAF, 7.3.6.7): a cut
 * (`clap`), a turn (`irot`), a mirror (`imir`). https://aomediacodec.github.io/av1-avif/
 */
export interface Turn {
  /** Width and height, and how far its middle is off the picture's, each a fraction of pixels. */
  cut: { width: number; height: number; x: number; y: number } | null
  /** Quarters, against the clock. */
  quarters: number
  /** `rows`: top and bottom change places; `columns`: left and right. */
  mirror: 'rows' | 'columns' | null
}

export const asCoded: Turn = { cut: null, quarters: 0, mirror: null }

/** Bytes; that of a grid of a thousand tiles has 100 kB. */
const longestMeta = 4 * 1024 ** 2
const mostBoxes = 4_096

/** Of the primary picture of a HEIF file; as coded where nothing is said. @throws Error where the boxes cannot be read */
export async function readTurn(path: string): Promise<Turn> {
  const file = await open(path)
  try {
    const meta = await readMeta(file)
    return meta === null ? asCoded : turnIn(meta)
  } finally {
    await file.close()
  }
}

/** What the box `meta` holds; it stands at the file's own level. */
async function readMeta(file: FileHandle): Promise<Buffer | null> {
  const head = Buffer.alloc(16)
  const { size: end } = await file.stat()
  for (let [at, count] = [0, 0]; at + 8 <= end && count < mostBoxes; count++) {
    const { bytesRead } = await file.read(head, 0, 16, at)
    const size = sizeOf(head.subarray(0, bytesRead), end - at)
    if (size < 8) return null
    if (head.toString('latin1', 4, 8) === 'meta') {
      if (size > longestMeta) throw new Error('the list of its parts is too long')
      const meta = Buffer.alloc(Math.min(size, end - at))
      await file.read(meta, 0, meta.length, at)
      return meta.subarray(12) // of a full box: version and flags come first
    }
    at += size
  }
  return null
}

/** 1: a 64-bit size follows; 0: to the end. */
function sizeOf(head: Buffer, rest: number): number {
  const size = head.readUInt32BE(0)
  if (size === 1) return head.length < 16 ? 0 : Number(head.readBigUInt64BE(8))
  return size === 0 ? rest : size
}

interface Box {
  type: string
  body: Buffer
}

function boxesIn(bytes: Buffer): Box[] {
  const boxes: Box[] = []
  for (let at = 0; at + 8 <= bytes.length && boxes.length < mostBoxes; ) {
    const size = sizeOf(bytes.subarray(at, at + 16), bytes.length - at)
    const start = bytes.readUInt32BE(at) === 1 ? 16 : 8
    if (size < start) break
    boxes.push({ type: bytes.toString('latin1', at + 4, at + 8), body: bytes.subarray(at + start, at + size) })
    at += size
  }
  return boxes
}

function bodyOf(boxes: Box[], type: string): Buffer {
  return boxes.find((one) => one.type === type)?.body ?? Buffer.alloc(0)
}

function turnIn(meta: Buffer): Turn {
  const parts = boxesIn(meta)
  const pitm = bodyOf(parts, 'pitm')
  const primary = pitm[0] === 0 ? pitm.readUInt16BE(4) : pitm.readUInt32BE(4)
  const iprp = boxesIn(bodyOf(parts, 'iprp'))
  const properties = boxesIn(bodyOf(iprp, 'ipco'))
  const turn = { ...asCoded }
  for (const ipma of iprp.filter(({ type }) => type === 'ipma')) {
    for (const index of propertiesOf(primary, ipma.body)) apply(properties[index - 1], turn)
  }
  return turn
}

/** By `ipma`: numbers of an item's properties, counted from 1. */
function propertiesOf(item: number, ipma: Buffer): number[] {
  const [wideItems, wideIndexes] = [(ipma[0] ?? 0) >= 1, ((ipma[3] ?? 0) & 1) === 1]
  const found: number[] = []
  let at = 8
  for (let left = ipma.readUInt32BE(4); left > 0; left--) {
    const id = wideItems ? ipma.readUInt32BE(at) : ipma.readUInt16BE(at)
    at += wideItems ? 4 : 2
    const count = ipma.readUInt8(at++)
    for (let n = 0; n < count; n++) {
      // The highest bit says whether a reader must know the property.
      const index = wideIndexes ? ipma.readUInt16BE(at) & 0x7fff : ipma.readUInt8(at) & 0x7f
      at += wideIndexes ? 2 : 1
      if (id === item) found.push(index)
    }
  }
  return found
}

function apply(property: Box | undefined, turn: Turn): void {
  if (!property) return
  const { type, body } = property
  if (type === 'irot') turn.quarters = body.readUInt8(0) & 3
  if (type === 'imir') turn.mirror = body.readUInt8(0) & 1 ? 'columns' : 'rows'
  if (type === 'clap') {
    const fraction = (at: number) => body.readInt32BE(at) / body.readInt32BE(at + 4)
    turn.cut = { width: fraction(0), height: fraction(8), x: fraction(16), y: fraction(24) }
  }
}

export function isTurned({ cut, quarters, mirror }: Turn): boolean {
  return cut !== null || quarters !== 0 || mirror !== null
}

/** Cuts a picture of that size, before anything else is done with it. */
export function cutOut(picture: Sharp, { cut }: Turn, size: { width: number; height: number }): Sharp {
  if (cut === null) return picture
  const [width, height] = [Math.round(cut.width), Math.round(cut.height)]
  const left = Math.round((size.width - cut.width) / 2 + cut.x)
  const top = Math.round((size.height - cut.height) / 2 + cut.y)
  return picture.extract({ left, top, width, height })
}

/** Turns and mirrors what was cut. */
export function turnUpright(picture: Sharp, { quarters, mirror }: Turn): Sharp {
  const turned = quarters === 0 ? picture : picture.rotate(360 - 90 * quarters)
  if (mirror === null) return turned
  // sharp mirrors first, whatever it was told first: what are rows then are columns before a quarter turn.
  return (mirror === 'rows') === (quarters % 2 === 0) ? turned.flip() : turned.flop()
}
