/**
 * Text as `q` compares it: without case, and equal however its accents are written. Every driver stores titles so.
 * Upper case first makes `ß` meet `SS`; the final sigma is only another form of sigma.
 */
export function foldCase(text: string): string {
  return text.normalize('NFC').toUpperCase().toLowerCase().replaceAll('ς', 'σ').normalize('NFC')
}
