/** What `CLAMD_ADDRESS` names. @throws Error when it names nothing */
export function whereIs(address: string): { path: string } | { host: string; port: number } {
  if (address.startsWith('/')) return { path: address }
  const [, bracketed, plain, port] = /^(?:\[([\da-f:.]+)\]|([^\s:/]+)):(\d{1,5})$/i.exec(address) ?? []
  const host = bracketed ?? plain
  if (!host || Number(port) < 1 || Number(port) > 65_535) throw new Error('neither host:port nor a path')
  return { host, port: Number(port) }
}
