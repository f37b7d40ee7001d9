/**
 * Why a server could not listen, in words that name the setting to change; an error of another kind stays as it is.
 * @param error what `listen` failed with
 * @param portSetting the setting that named the port
 */
export function explainListening(
  error: unknown,
  { host, port, portSetting = 'PORT' }: { host: string; port: number; portSetting?: string },
): unknown {
  const { code } = error as NodeJS.ErrnoException
  const words: Record<string, string> = {
    EADDRINUSE: `${portSetting} ${port} is taken on ${host} by another program. Stop that one, or set ${portSetting}; 0 takes a free one.`,
    EACCES: `${portSetting} ${port} may not be taken by this user. Set ${portSetting} to one above 1023, or grant the right.`,
    EADDRNOTAVAIL: `HOST is "${host}", which is no address of this machine.`,
    ENOTFOUND: `HOST is "${host}", which is no name that leads to an address.`,
    EAI_AGAIN: `HOST is "${host}", whose address cannot be looked up.`,
  }
  const said = words[code ?? '']
  return said === undefined ? error : new Error(said, { cause: error })
}
