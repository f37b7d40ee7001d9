import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { attacks } from '../hostile/attacks.ts'
import { openCanaries } from '../hostile/canaries.ts'
import { makeSeeds, type Seeds } from '../hostile/seeds.ts'
import { besiege } from '../hostile/siege.ts'
import { startTarget, type Target } from '../target.ts'

/** A few of `npm run test:hostile`'s files, and names that mean no good. */
const chosen = [
  'HLS called a film',
  'HLS behind the first box of a film',
  'samples in another file, by address',
  'a PNG of 65 535 by 65 535',
  'a PNG with a gibibyte in iCCP',
  'a JPEG that is an archive',
  'entities of files',
  'pictures elsewhere',
  'a billion laughs',
]

const names = {
  'a line break': 'a\r\nSet-Cookie: stolen=1\r\n\r\n<script>.jpg',
  'a zero byte': 'a.jpg\0.html',
  'the folder above': '../../../../etc/passwd',
  'the folder above, of Windows': '..\\..\\boot.ini',
  'a path': '/etc/cron.d/x.jpg',
  'an option': '-rf',
  'an option of ffmpeg': '-protocol_whitelist file,http',
  'a command': '$(touch x);`id`|cat &.jpg',
  quotes: 'a"; filename="b.html',
  'text turned around': 'photo\u202egpj.exe',
  'ten thousand characters': `${'a'.repeat(10_000)}.jpg`,
  'ten thousand emoji': '👩‍👩‍👧'.repeat(1000),
  'half of a character': '\ud800.jpg',
  'percent signs': '%2e%2e%2f%00.jpg',
  'a template': '{{constructor.constructor("x")()}} ${7*7} %s%n.jpg',
  'only dots': '..',
  nothing: '',
  blanks: ' \t ',
  'a name of the prototype': '__proto__',
  'a device': 'CON',
}

describe('hostile files and names', () => {
  let target: Target
  let seeds: Seeds
  before(async () => {
    target = await startTarget({ env: { LOG_LEVEL: 'silent' } })
    seeds = await makeSeeds()
  })
  after(async () => await target.stop())

  test('files end with a stable code, and nobody comes by', async () => {
    const aims = await openCanaries()
    for (const attack of attacks.filter(({ name }) => chosen.includes(name))) {
      const { ended, seconds } = await besiege(target, attack, { aims, seeds })
      assert.ok((attack.ends as readonly string[]).includes(ended), `${attack.name} ended as ${ended}`)
      assert.ok(seconds < 30, `${attack.name} took ${seconds} s`)
      assert.deepEqual(aims.visits(), [], attack.name)
    }
    await aims.close()
  })

  for (const [kind, name] of Object.entries(names)) {
    test(`a name with ${kind} is a name, or refused`, async () => {
      const said = new URLSearchParams({ title: 'a title', filename: name })
      const sent = { method: 'PUT', body: new Uint8Array(seeds.jpeg) }
      const answer = await fetch(`${target.url}/api/media/upload?${said}`, sent)
      const record: any = await answer.json()
      if (answer.status !== 201) return assert.ok([400, 414, 422, 431].includes(answer.status), `${answer.status}`)
      assert.equal(answer.headers.get('set-cookie'), null)
      const { filename } = record
      if (filename !== null) {
        assert.doesNotMatch(filename, /[\p{Cc}/\\\u202a-\u202e\u2066-\u2069]/u)
        assert.ok(Buffer.byteLength(filename) <= 255)
        assert.ok(filename.isWellFormed())
      }
      await saved(record.media_id)
    })

    test(`a title with ${kind} is a title, or refused`, async () => {
      const form = new FormData()
      form.append('title', name)
      form.append('file', new File([new Uint8Array(seeds.jpeg)], 'photo.jpg'))
      const answer = await fetch(`${target.url}/api/media/upload`, { method: 'POST', body: form })
      const said: any = await answer.json()
      if (answer.status === 201) assert.doesNotMatch(said.title, /\p{Cc}/u)
      else assert.equal(answer.status, 422, JSON.stringify(said))
    })
  }

  /** The name goes into a header when it is saved: one line, and no name but its own. */
  async function saved(media_id: string): Promise<void> {
    const at = `${target.url}/api/media/download/${media_id}?disposition=attachment`
    for (;;) {
      const answer = await fetch(at)
      if (answer.status === 409) continue
      assert.equal(answer.status, 200)
      const header = answer.headers.get('content-disposition') ?? ''
      assert.match(
        header,
        /^attachment(; filename="(?:[^"\\\r\n]|\\["\\])*")?(; filename\*=UTF-8''[\w!#$&+.^`|~%-]+)?$/,
      )
      assert.equal(answer.headers.get('x-content-type-options'), 'nosniff')
      return await answer.body?.cancel()
    }
  }
})
