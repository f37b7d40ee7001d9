/** What the shell is told at the end; documented in docs/cli.md, and never renumbered. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  refused: 4,
  notFound: 5,
  interrupted: 130,
  terminated: 143,
} as const

export const exitMeanings: Record<keyof typeof exitCodes, string> = {
  done: 'All that was asked for is done.',
  failed: 'Something of it failed: a file was refused, a media could not be processed, a check found a fault.',
  usage: 'The command was not understood; nothing was done.',
  unreachable: 'No answer came from the service.',
  refused: 'The service does not know the token, or does not allow this.',
  notFound: 'There is no such media, rendition or file.',
  interrupted: 'Ended by Ctrl-C.',
  terminated: 'Ended by SIGTERM.',
}
