import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { contentDisposition, encodeValue, isDisposition, saveName } from './disposition.ts'

const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ unit: 'grapheme', maxLength: 300 }),
  fc
    .array(fc.constantFrom('/', '\\', '..', '"', "'", '%', '\r\n', '\0', '\ud800', '\u202e', ' ', '.', 'é', '😀', 'a'))
    .map((all) => all.join('')),
)

test('names are safe on every system, whatever the title', () => {
  fc.assert(
    fc.property(anyText, (title) => {
      const name = saveName(title, 'mp4')
      assert.match(name, /^[^/\\:*?"<>|\p{C}]+\.mp4$/u)
      assert.ok(Buffer.byteLength(name) <= 190)
      assert.doesNotMatch(name, /^[. ]|[. ]\.mp4$/)
      assert.ok(name.isWellFormed())
      assert.equal(saveName(name, 'mp4'), name, 'a safe name stays')
    }),
    { numRuns: 2_000 },
  )
})

test('names keep what they can', () => {
  const cases: [string, string, string[]][] = [
    ['Mountain Adventure', 'Mountain Adventure.mp4', []],
    ['clip.MP4', 'clip.mp4', []],
    ['clip.mov', 'clip.mp4', ['mov']],
    ['v1.2', 'v1.2.mp4', ['mov']],
    ['  a \t\n b  ', 'a b.mp4', []],
    ['../../etc/passwd', '_.._etc_passwd.mp4', []],
    ['', 'media.mp4', []],
    ['...', 'media.mp4', []],
    ['NUL', '_NUL.mp4', []],
    ['com1.txt', '_com1.txt.mp4', []],
    ['a\u202egpj.exe', 'agpj.exe.mp4', []],
    ['Пик', 'Пик.mp4', []],
  ]
  for (const [title, name, known] of cases) assert.equal(saveName(title, 'mp4', known), name)
  assert.equal(saveName('é'.repeat(300), 'mp4'), `${'é'.repeat(90)}.mp4`)
})

test('a header is one line of ASCII that names the file, whatever the name', () => {
  fc.assert(
    fc.property(anyText, fc.constantFrom('inline' as const, 'attachment' as const), (name, type) => {
      const header = contentDisposition(type, name)
      assert.match(header, /^(inline|attachment); filename="[\x20-\x7e]*"(; filename\*=UTF-8''[A-Za-z0-9%._~-]*)?$/)
      const [, extended] = /filename\*=UTF-8''(.*)$/.exec(header) ?? []
      const [, plain = ''] = /filename="([^"]*)"/.exec(header) ?? []
      assert.equal(extended === undefined ? plain : decodeURIComponent(extended), name.toWellFormed())
      assert.doesNotMatch(plain, /["\\%]/)
      if (header.length <= 2048) assert.ok(isDisposition(header))
    }),
    { numRuns: 2_000 },
  )
})

test('what is no disposition is known', () => {
  for (const good of ['inline', 'attachment', 'Attachment; filename="a"', 'inline;'])
    assert.ok(isDisposition(good), good)
  for (const bad of [
    '',
    'form-data',
    'inline\r\nX: y',
    'inline; a\0',
    'inline; é',
    'inlines',
    `inline;${'a'.repeat(3000)}`,
  ]) {
    assert.ok(!isDisposition(bad), bad)
  }
})

test('encoded values survive every URL parser', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const url = `https://h/a?x=${encodeValue(text)}`
      assert.equal(new URL(url).href, url)
      assert.equal(new URL(url).searchParams.get('x'), text)
    }),
  )
})
