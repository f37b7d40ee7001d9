/** Header fields in the order and number they came, names in lower case. */
export type Fields = readonly (readonly [name: string, value: string])[]

/** As Node gives them: `[name, value, name, value, …]`. */
export function fieldsOf(raw: readonly string[]): Fields {
  const fields: [string, string][] = []
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = (raw[at] ?? '').toLowerCase()
    // HTTP/2's own, which are no fields.
    if (!name.startsWith(':')) fields.push([name, raw[at + 1] ?? ''])
  }
  return fields
}

/** All values of a name as one list, or undefined. https://www.rfc-editor.org/rfc/rfc9110#section-5.3 */
export function valueOf(fields: Fields, name: string): string | undefined {
  const values = fields.filter(([one]) => one === name).map(([, value]) => value)
  return values.length === 0 ? undefined : values.join(', ')
}

/** The members of a comma-separated list; commas in quotes part nothing. */
export function listOf(value: string | undefined): string[] {
  const members = (value ?? '').match(/(?:"(?:\\.|[^"\\])*"|[^,"]|")+/g) ?? []
  return members.map((one) => one.trim()).filter((one) => one !== '')
}

/** Fields that concern one connection. https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1 */
const hopByHop = new Set([
  ...['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'],
  ...['proxy-authenticate', 'proxy-authentication-info', 'proxy-authorization', 'http2-settings'],
])

/** What goes on to the next: without what concerns this connection, or what it names. */
export function endToEnd(fields: Fields): Fields {
  const named = new Set(listOf(valueOf(fields, 'connection')).map((name) => name.toLowerCase()))
  return fields.filter(([name]) => !hopByHop.has(name) && !named.has(name))
}

export function without(fields: Fields, ...names: string[]): Fields {
  return fields.filter(([name]) => !names.includes(name))
}

/** As Node takes them: the values of one name together. */
export function headersOf(fields: Fields): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {}
  for (const [name, value] of fields) {
    const before = headers[name]
    headers[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value]
  }
  return headers
}
