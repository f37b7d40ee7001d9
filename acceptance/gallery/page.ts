import { cardOf, size, sum, time } from './card.ts'
import type { Exhibit } from './exhibit.ts'
import { style } from './style.ts'

/** One page of what became of each file; all text of files is escaped. */
export function pageOf(exhibits: readonly Exhibit[], seconds: number): string {
  const sections = kinds
    .map(({ title, is }) => ({ title, shown: exhibits.filter(is) }))
    .filter(({ shown }) => shown.length)
  const made = exhibits.filter(({ refused }) => !refused)
  const summary: [string, string][] = [
    ['files', String(exhibits.length)],
    ['processed', String(made.length)],
    ['refused', String(exhibits.length - made.length)],
    ['came', size(sum(exhibits.map(({ bytes }) => bytes)))],
    ['went out', size(sum(made.flatMap(({ renditions }) => renditions.map(({ file_size }) => file_size))))],
    ['took', time(seconds)],
  ]
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>What became of ${exhibits.length} files</title>
<style>${style}</style>
</head>
<body>
<header>
<h1>What became of ${exhibits.length} files</h1>
<dl class="summary">${summary.map(([name, value]) => `<div><dt>${name}</dt><dd>${value}</dd></div>`).join('')}</dl>
</header>
<nav aria-label="Kinds">${sections.map(({ title, shown }) => `<a href="#${title.toLowerCase()}">${title} <span>${shown.length}</span></a>`).join('')}</nav>
<main>
${sections.map(({ title, shown }) => `<section id="${title.toLowerCase()}"><h2>${title}</h2>\n<div class="cards">\n${shown.map(cardOf).join('\n')}\n</div></section>`).join('\n')}
</main>
</body>
</html>
`
}

const kinds: { title: string; is: (one: Exhibit) => boolean }[] = [
  { title: 'Videos', is: ({ refused, media_type }) => !refused && media_type === 'video' },
  { title: 'Pictures', is: ({ refused, media_type }) => !refused && media_type === 'image' },
  { title: 'Sound', is: ({ refused, media_type }) => !refused && media_type === 'audio' },
  { title: 'Refused', is: ({ refused }) => refused !== null },
]
