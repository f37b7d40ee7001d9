/** Buffers of one reply that are under way together. */
export const buffersEach = 3
const largest = 1024 * 1024
const smallest = 16 * 1024
/** What a reply begins with, and doubles: of many that begin together the first do not know how many they will be. */
const first = 32 * 1024
/** All replies together; many slow readers get small buffers. */
const inAll = 48 * 1024 * 1024
let sending = 0

/** A reply takes part in what all may hold until the returned function is called. */
export function takePart(): () => void {
  sending += 1
  return () => {
    sending -= 1
  }
}

/** The buffer again, or one of the size that befits the number of replies under way. */
export function fitting(buffer: Buffer | undefined): Buffer {
  const share = inAll / buffersEach / Math.max(sending, 1)
  const grown = buffer === undefined ? first : 2 * buffer.length
  const size = Math.max(smallest, Math.min(largest, grown, 2 ** Math.floor(Math.log2(share))))
  return buffer?.length === size ? buffer : Buffer.allocUnsafeSlow(size)
}
