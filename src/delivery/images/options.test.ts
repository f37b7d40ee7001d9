import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { MediaError } from '../../media/errors.ts'
import { chooseFormat } from './format.ts'
import { type ImageLimits, noLimits, readImageOptions, writeImageOptions } from './options.ts'
import { readImagePresets } from './presets.ts'

const canonical = (text: string, limits: ImageLimits = noLimits) => writeImageOptions(readImageOptions(text, limits))

describe('options of pictures on the fly', () => {
  const spellings = {
    'width=400,height=300,fit=cover,gravity=auto,format=auto,quality=75':
      'width=400,height=300,fit=cover,gravity=auto,format=auto,quality=75',
    'q=75,w=400,fit=crop,h=300,crop=attention': 'width=400,height=300,fit=cover,gravity=auto,format=auto,quality=75',
    'w=200,dpr=2': 'width=400,format=auto',
    'w=201,h=101,dpr=1.5,f=jpg': 'width=302,height=152,format=jpeg',
    'w=100,fit=cover,g=left': 'width=100,format=auto',
    'w=100,h=50,fit=cover': 'width=100,height=50,fit=cover,gravity=0.5x0.5,format=auto',
    'w=100,h=50,fit=cover,g=0.25x1': 'width=100,height=50,fit=cover,gravity=0.25x1,format=auto',
    'w=100,h=50,fit=contain,g=top': 'width=100,height=50,format=auto',
    'w=9,h=9,fit=pad,background=FFEEDD': 'width=9,height=9,fit=pad,format=auto,background=ffeedd',
    'anim=false,f=webp': 'format=webp,anim=false',
    'anim=true,background=ffffff,f=png': 'format=png',
  }
  for (const [written, expected] of Object.entries(spellings)) {
    test(`${written} is ${expected}`, () => {
      assert.equal(canonical(written), expected)
      assert.equal(canonical(expected), expected, 'and stays so')
    })
  }

  const wrong = {
    '': /"" is no option/,
    'width=0': /"width" takes pixels/,
    'width=1e3': /"width" takes pixels/,
    'width=5000': /at most 4096/,
    'width=2100,dpr=2': /at most 4096 pixels, dpr/,
    'size=5': /"size" is no option\. There are: preset, width/,
    'width=5,w=6': /"width" is given twice/,
    width: /width=value/,
    'width=5=6': /width=value/,
    'fit=stretch': /"fit" takes scale-down/,
    'gravity=2x0': /"gravity" takes auto/,
    'format=gif': /"format" takes auto, avif/,
    'quality=101': /"quality" takes 1–100/,
    'anim=1': /"anim" takes true or false/,
    'background=red': /"background" takes/,
    'preset=card': /no preset "card"/,
    'constructor=1': /no option/,
    'fit=constructor': /"fit" takes/,
    'anim=constructor': /"anim" takes/,
    'gravity=toString': /"gravity" takes/,
    [`width=5,quality=${'0'.repeat(400)}`]: /at most 300 characters/,
  }
  for (const [written, words] of Object.entries(wrong)) {
    test(`${written.slice(0, 40)} is refused`, () => {
      assert.throws(
        () => readImageOptions(written, noLimits),
        (error: MediaError) => {
          assert.equal(error.code, 'invalid_request')
          assert.match(error.detail ?? '', words)
          return true
        },
      )
    })
  }

  describe('presets', () => {
    let folder = ''
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'presets-'))
    })
    after(async () => await rm(folder, { recursive: true, force: true }))

    const read = async (content: unknown) => {
      const path = join(folder, 'presets.json')
      await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
      return await readImagePresets(path)
    }
    const card = { presets: { card: 'w=400,h=300,fit=cover' } }

    test('name options, which may be changed', async () => {
      const limits = await read(card)
      assert.equal(canonical('preset=card', limits), canonical('w=400,h=300,fit=cover'))
      assert.equal(canonical('preset=card,h=200,f=webp', limits), canonical('w=400,h=200,fit=cover,f=webp'))
    })

    test('alone, where nothing else is allowed', async () => {
      const limits = await read({ ...card, only_presets: true, largest_side: 1000 })
      assert.equal(canonical('preset=card,dpr=2,f=avif', limits), canonical('w=800,h=600,fit=cover,f=avif'))
      for (const text of ['w=400', 'preset=card,w=401', 'format=webp']) {
        assert.throws(() => readImageOptions(text, limits), { code: 'invalid_request' }, text)
      }
      assert.throws(() => readImageOptions('preset=card,dpr=3', limits), /options/)
    })

    test('without a file everything is allowed', async () => assert.equal(await readImagePresets(undefined), noLimits))

    const broken: [unknown, RegExp][] = [
      ['{', /IMAGE_PRESETS_FILE .*presets\.json cannot be used: .*JSON/],
      [[], /must be a JSON object/],
      [{ preset: {} }, /"preset" is none of presets/],
      [{ presets: { 'a b': 'w=5' } }, /"a b" is no name/],
      [{ presets: { a: 'w=x' } }, /"width" takes pixels/],
      [{ presets: { a: 5 } }, /takes options as a text/],
      [{ ...card, largest_side: 9999 }, /largest_side takes pixels/],
      [{ only_presets: true }, /would allow nothing/],
      [{ ...card, only_presets: 'yes' }, /takes true or false/],
    ]
    for (const [content, words] of broken) {
      test(`${JSON.stringify(content)} is refused at the start`, async () => {
        await assert.rejects(read(content), words)
      })
    }
  })

  test('the format is the best that the reader takes', () => {
    const chrome = 'image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8'
    const auto = { format: 'auto', animated: true } as const
    const still = { animated: false }
    assert.equal(chooseFormat(auto, still, chrome), 'avif')
    assert.equal(chooseFormat(auto, still, 'image/webp,*/*'), 'webp')
    assert.equal(chooseFormat(auto, still, 'image/avif;q=0, image/WEBP;q=0.5'), 'webp')
    for (const accept of ['*/*', 'image/*', undefined, '']) assert.equal(chooseFormat(auto, still, accept), 'still')
    assert.equal(chooseFormat(auto, { animated: true }, chrome), 'webp', 'AVIF would stand still')
    assert.equal(chooseFormat({ ...auto, animated: false }, { animated: true }, chrome), 'avif')
    assert.equal(chooseFormat({ format: 'png', animated: true }, still, chrome), 'png')
  })
})
