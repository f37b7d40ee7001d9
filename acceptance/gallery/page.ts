import type { Exhibit, Shown } from './exhibit.ts'

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
<nav aria-label="Kinds">${sections.map(({ title, shown }) => `<a href="#${title.toLowerCase()}">${title} <span>${shown.length}</span></a>`).join('')}</nav>
</header>
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

function cardOf(one: Exhibit): string {
  const { name, refused } = one
  const said = refused && `<p class="refused"><strong>${text(refused.code)}</strong> ${text(refused.message)}</p>`
  return `<article>
<h3>${text(name)}</h3>
${said ? said + before(one) : after(one)}
</article>`
}

function before({ before: { format, streams }, bytes }: Exhibit): string {
  const words = [format, ...streams, size(bytes)].filter(Boolean)
  return `<p class="facts"><b>Before</b> ${words.map(text).join(' · ')}</p>`
}

function after(one: Exhibit): string {
  const { media_type, renditions, width, height, duration, warnings, seconds } = one
  const facts = [
    width && height ? `${width} × ${height}` : '',
    duration === null ? '' : time(duration),
    size(sum(renditions.map(({ file_size }) => file_size))),
    `made in ${time(seconds)}`,
  ].filter(Boolean)
  const shown = media_type === 'video' ? film(renditions) : media_type === 'audio' ? sound(renditions) : pictures(one)
  const said = warnings.length > 0 ? `<p class="warnings">${warnings.map(text).join(', ')}</p>` : ''
  return `${shown}${before(one)}<p class="facts"><b>After</b> ${facts.join(' · ')}</p>${said}${table(renditions)}`
}

function film(renditions: Shown[]): string {
  const [mp4, poster, sheet, preview] = ['720p', 'poster', 'storyboard', 'preview'].map((name) =>
    find(renditions, name),
  )
  const beside = [preview, sheet].flatMap((one) => (one ? [picture(one)] : []))
  return `<video controls preload="none" src="${text(mp4?.asset ?? '')}" poster="${text(poster?.asset ?? '')}"></video><div class="row">${beside.join('')}</div>`
}

function sound(renditions: Shown[]): string {
  const [audio, wave, cover] = ['audio', 'waveform-png', 'cover'].map((name) => find(renditions, name))
  const seen = [cover, wave].flatMap((one) => (one ? [picture(one)] : []))
  return `<div class="row sound">${seen.join('')}</div><audio controls preload="none" src="${text(audio?.asset ?? '')}"></audio>`
}

function pictures({ source, renditions, dominant_color }: Exhibit): string {
  const large = renditions.find(({ name }) => name === 'webp-800')
  const came = source ? [{ asset: source, name: 'before' }] : []
  const small = ['avif-400', 'jpeg-400', 'png-400', 'thumbnail'].flatMap((name) => find(renditions, name) ?? [])
  const colour = dominant_color && /^#[0-9a-f]{6}$/.test(dominant_color) ? ` style="background:${dominant_color}"` : ''
  return `<div class="large"${colour}>${large ? picture(large) : ''}</div><div class="row">${[...came, ...small].map(picture).join('')}</div>`
}

function table(renditions: Shown[]): string {
  const rows = renditions.map(({ name, width, height, file_size, asset }) => {
    const called = asset ? `<a href="${text(asset)}">${text(name)}</a>` : text(name)
    return `<tr><td>${called}</td><td>${width && height ? `${width} × ${height}` : ''}</td><td>${size(file_size)}</td></tr>`
  })
  return `<details><summary>${renditions.length} renditions</summary><table>${rows.join('')}</table></details>`
}

function find(renditions: Shown[], name: string): Shown | undefined {
  return renditions.find((one) => one.name === name)
}

function picture({ asset, name }: Pick<Shown, 'asset' | 'name'>): string {
  return `<figure><img loading="lazy" src="${text(asset ?? '')}" alt="${text(name)}"><figcaption>${text(name)}</figcaption></figure>`
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, one) => total + one, 0)
}

function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  const power = Math.min(3, Math.floor(Math.log10(bytes) / 3))
  return `${(bytes / 1000 ** power).toPrecision(3)} ${['B', 'kB', 'MB', 'GB'][power]}`
}

function time(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
}

/** Names come from strangers. */
function text(words: unknown): string {
  return String(words).replaceAll(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`)
}

const style = `
:root { color-scheme: light dark; --ground: light-dark(#f6f6f8, #101114); --card: light-dark(#fff, #191b20); --line: light-dark(#e2e2e8, #2c2f37); --ink: light-dark(#17181c, #ececf1); --soft: light-dark(#5d606b, #a0a4b1); --accent: light-dark(#4f46e5, #a5a0ff); --bad: light-dark(#b42318, #ff9d93); }
* { box-sizing: border-box; margin: 0; }
body { background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; padding: clamp(16px, 4vw, 48px); max-width: 1680px; margin: auto; }
h1 { font-size: clamp(24px, 4vw, 36px); letter-spacing: -0.02em; line-height: 1.15; }
h2 { font-size: 20px; margin: 40px 0 16px; }
h3 { font-size: 14px; font-weight: 600; overflow-wrap: anywhere; margin-bottom: 12px; }
a { color: var(--accent); }
.summary { display: flex; flex-wrap: wrap; gap: 12px 32px; margin: 24px 0; }
.summary dt { color: var(--soft); font-size: 13px; }
.summary dd { font-size: 22px; font-weight: 600; font-variant-numeric: tabular-nums; }
nav { display: flex; flex-wrap: wrap; gap: 8px; }
nav a { border: 1px solid var(--line); background: var(--card); border-radius: 999px; padding: 4px 14px; text-decoration: none; color: var(--ink); }
nav span { color: var(--soft); }
.cards { display: grid; gap: 16px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 340px), 1fr)); align-items: start; }
article { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 16px; min-width: 0; }
video, audio { width: 100%; display: block; border-radius: 8px; }
video { aspect-ratio: 16 / 9; background: #000; object-fit: contain; }
.large { border-radius: 8px; overflow: hidden; }
.large img { aspect-ratio: 4 / 3; }
.large figcaption { display: none; }
figure { min-width: 0; }
img { display: block; width: 100%; aspect-ratio: 3 / 2; object-fit: contain; border-radius: 6px; background: light-dark(#0000000a, #ffffff0a); }
figcaption { color: var(--soft); font-size: 12px; }
.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(80px, 1fr)); gap: 8px; margin: 8px 0; }
.sound img { aspect-ratio: auto; max-height: 140px; }
.facts { font-variant-numeric: tabular-nums; font-size: 13px; margin: 6px 0; overflow-wrap: anywhere; }
.facts b { color: var(--soft); font-weight: 500; display: inline-block; min-width: 48px; }
.warnings { color: var(--soft); font-size: 13px; }
.refused { color: var(--bad); margin-bottom: 8px; overflow-wrap: anywhere; }
details { border-top: 1px solid var(--line); margin-top: 8px; padding-top: 8px; color: var(--soft); font-size: 13px; }
summary { cursor: pointer; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
td { padding: 2px 0; }
td:not(:first-child) { text-align: right; }
`
