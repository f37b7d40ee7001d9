import type { Exhibit, Shown } from './exhibit.ts'

/** A card of one file: what it was, what it is, and all that was made of it. Names come from strangers: all text is escaped. */
export function cardOf(one: Exhibit): string {
  const at = one.name.lastIndexOf('/') + 1
  const folder = at > 0 ? `<small>${text(one.name.slice(0, at))}</small>` : ''
  return `<article>
<h3>${folder}${text(one.name.slice(at))}</h3>
${one.refused ? refusal(one) : shown(one) + facts(one) + warned(one) + table(one.renditions)}
</article>`
}

function refusal({ refused, before, bytes }: Exhibit): string {
  const was = [before.format, ...before.parts, size(bytes)].filter(Boolean).map(text).join(' · ')
  return `<p class="refused">${text(refused?.message)}</p><p class="facts"><code>${text(refused?.code)}</code> ${was}</p>`
}

function shown(one: Exhibit): string {
  if (one.media_type === 'video') return film(one)
  return one.media_type === 'audio' ? sound(one) : pictures(one)
}

/** Nothing of it is loaded but its smaller still, until somebody plays it. */
function film({ renditions }: Exhibit): string {
  const [still, src] = ['thumbnail', '720p'].map((name) => text(find(renditions, name)?.asset))
  const moving = ['preview', 'storyboard'].flatMap((name) => figure(find(renditions, name), name))
  return `<video controls preload="none" poster="${still}" src="${src}"></video><div class="row moving">${moving.join('')}</div>`
}

function sound({ renditions }: Exhibit): string {
  const cover = figure(find(renditions, 'cover'), 'cover')
  const wave = figure(find(renditions, 'waveform-png'), 'waveform')
  return `<div class="sound">${[...cover, ...wave].join('')}</div><audio controls preload="none" src="${text(find(renditions, 'audio')?.asset)}"></audio>`
}

function pictures({ source, renditions, dominant_color }: Exhibit): string {
  const colour = dominant_color && /^#[0-9a-f]{6}$/.test(dominant_color) ? dominant_color : ''
  const came = source
    ? figure({ asset: source }, 'before')
    : ['<figure><div class="unseen">Browsers do not show it</div><figcaption>before</figcaption></figure>']
  const pair = [...came, ...figure(find(renditions, 'webp-800'), 'after: webp-800', colour)]
  const small = ['avif-400', 'webp-400', 'jpeg-400', 'png-400', 'thumbnail']
  const row = small.flatMap((name) => figure(find(renditions, name), name))
  return `<div class="pair">${pair.join('')}</div><div class="row">${row.join('')}</div>`
}

function figure(one: Pick<Shown, 'asset'> | undefined, words: string, colour = ''): string[] {
  if (!one?.asset) return []
  const dot = colour && ` <i style="background:${colour}" title="${colour}"></i>`
  const image = `<img loading="lazy" decoding="async" src="${text(one.asset)}" alt="${text(words)}">`
  return [`<figure class="${text(words.split(':')[0])}">${image}<figcaption>${text(words)}${dot}</figcaption></figure>`]
}

/** What it was beside what it is. */
function facts({ before, after, bytes, duration, seconds, renditions }: Exhibit): string {
  const main =
    find(renditions, '720p') ??
    find(renditions, 'audio') ??
    find(renditions, 'jpeg-1600') ??
    find(renditions, 'png-1600')
  const rows = [
    ['kind', before.format, after?.format],
    ...Array.from({ length: Math.max(before.parts.length, after?.parts.length ?? 0) }, (_, at) => [
      at === 0 ? 'holds' : '',
      before.parts[at],
      after?.parts[at],
    ]),
    ['size', size(bytes), main && size(main.file_size)],
  ]
  const cells = rows.map(
    ([name, ...both]) =>
      `<tr><th>${text(name ?? '')}</th>${both.map((one) => `<td>${text(one ?? '')}</td>`).join('')}</tr>`,
  )
  const lasts = duration === null ? '' : `lasts ${time(duration)} · `
  return `<table class="facts"><thead><tr><td></td><th>before</th><th>after</th></tr></thead><tbody>${cells.join('')}</tbody></table>
<p class="facts">${lasts}made in ${time(seconds)}</p>`
}

function warned({ warnings }: Exhibit): string {
  return warnings.length > 0
    ? `<p class="warnings">${warnings.map((code) => text(code.replaceAll('_', ' '))).join(', ')}</p>`
    : ''
}

function table(renditions: Shown[]): string {
  const rows = renditions.map(({ name, width, height, file_size, asset }) => {
    const called = asset ? `<a href="${text(asset)}">${text(name)}</a>` : text(name)
    return `<tr><td>${called}</td><td>${width && height ? `${width} × ${height}` : ''}</td><td>${size(file_size)}</td></tr>`
  })
  const all = size(sum(renditions.map(({ file_size }) => file_size)))
  return `<details><summary>${renditions.length} renditions, ${all}</summary><table>${rows.join('')}</table></details>`
}

function find(renditions: Shown[], name: string): Shown | undefined {
  return renditions.find((one) => one.name === name)
}

export function sum(numbers: number[]): number {
  return numbers.reduce((total, one) => total + one, 0)
}

export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  const power = Math.min(3, Math.floor(Math.log10(bytes) / 3))
  return `${(bytes / 1000 ** power).toPrecision(3)} ${['B', 'kB', 'MB', 'GB'][power]}`
}

export function time(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
}

function text(words: unknown): string {
  return String(words ?? '').replaceAll(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`)
}
