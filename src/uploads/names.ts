import { MediaError } from '../media/errors.ts'

/** Characters of a title, at most. */
const titleLimit = 500
/** Bytes of a file name in UTF-8, at most: what file systems take. */
const filenameLimit = 255

/**
 * The title as it is kept: without blanks around.
 * @throws MediaError `title_missing` when nothing is left, `invalid_request` when it is too long or not a line of text.
 */
export function checkTitle(given: string): string {
  const title = given.trim()
  if (title === '') throw new MediaError('title_missing', 'a blank title')
  if ([...title].length > titleLimit) {
    throw new MediaError('invalid_request', 'a title that is too long', {
      detail: `The title may have ${titleLimit} characters.`,
    })
  }
  if (/\p{Cc}|\ufffd/u.test(title)) {
    throw new MediaError('invalid_request', 'a title with control characters', {
      detail: 'The title must be one line of UTF-8 text, without control characters.',
    })
  }
  return title
}

// Marks that make text run backwards, and so `gpj.exe` look like `exe.jpg`.
const direction = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/** A file's name as it is shown: never a path, nothing invisible, or null when nothing is left. It is not used to store. */
export function displayName(given: string | null | undefined): string | null {
  const last = (given ?? '').split(/[/\\]/).at(-1) ?? ''
  const name = last
    .toWellFormed()
    .normalize('NFC')
    .replace(/\p{Cc}/gu, '')
    .replace(direction, '')
    .trim()
  return name === '' || name === '.' || name === '..' ? null : shortened(name)
}

/** Cut in the middle of no character, and with its ending kept. */
function shortened(name: string): string {
  if (Buffer.byteLength(name) <= filenameLimit) return name
  const ending = /\.[\p{L}\p{N}]{1,10}$/u.exec(name)?.[0] ?? ''
  let room = filenameLimit - Buffer.byteLength(ending)
  let kept = ''
  for (const character of name) {
    room -= Buffer.byteLength(character)
    if (room < 0) break
    kept += character
  }
  return kept + ending
}
