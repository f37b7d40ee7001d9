/** Code of pages that other suites run than `snippets.test.ts` and `configurations.test.ts`. */
export interface Elsewhere {
  page: string
  /** Every heading of the page when not given. */
  heading?: string
  language: string
  /** The suite, which names the page and the heading. */
  by: string
}

const enginesPage = 'scripts/engines-page.test.ts'
const hls = 'acceptance/browser/hls.test.ts'
const servers = 'acceptance/docs/servers.test.ts'
const guides = 'acceptance/browser/guides.test.ts'

export const elsewhere: readonly Elsewhere[] = [
  { page: 'README.md', heading: 'Two commands', language: 'sh', by: 'acceptance/clone/clone.test.ts' },
  { page: 'docs/cli.md', language: 'text', by: 'scripts/docs.test.ts' },
  { page: 'docs/delivery.md', heading: 'Play it', language: 'js', by: hls },
  { page: 'docs/delivery.md', heading: 'Play it', language: 'html', by: guides },
  { page: 'docs/delivery.md', heading: 'Cookies instead', language: 'js', by: hls },
  { page: 'docs/delivery.md', heading: 'On the fly', language: 'json', by: servers },
  { page: 'docs/engines.md', heading: 'On several machines', language: 'sh', by: enginesPage },
  { page: 'docs/engines.md', heading: 'On AWS', language: 'ini', by: enginesPage },
  { page: 'docs/engines.md', heading: 'On your own S3 and Kafka', language: 'ini', by: enginesPage },
  { page: 'docs/extensions.md', heading: 'Your own steps', language: 'json', by: servers },
  { page: 'docs/guides/command-line.md', heading: 'Command line', language: 'sh', by: 'acceptance/cli/guide.test.ts' },
  { page: 'docs/guides/react.md', language: 'tsx', by: guides },
  { page: 'docs/guides/server-side.md', heading: 'Webhooks', language: 'python', by: servers },
  { page: 'docs/guides/web-page.md', heading: 'Signed-in users', language: 'ts', by: servers },
  { page: 'docs/guides/web-page.md', language: 'html', by: guides },
  { page: 'docs/guides/web-page.md', heading: 'Uppy', language: 'js', by: guides },
  { page: 'docs/profiles.md', heading: 'Profiles', language: 'json', by: 'src/processing/profiles.test.ts' },
  { page: 'docs/webhooks.md', language: 'json', by: 'acceptance/api/webhooks.test.ts' },
  { page: 'docs/webhooks.md', heading: 'What comes', language: 'js', by: 'acceptance/api/webhooks.test.ts' },
]

export function suiteOf(block: { page: string; heading: string; language: string }): Elsewhere | undefined {
  return elsewhere.find(
    ({ page, heading, language }) =>
      page === block.page && language === block.language && (heading ?? block.heading) === block.heading,
  )
}
