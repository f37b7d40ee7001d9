/** Of the page: light or dark as the reader's machine is, one column on a phone. */
export const style = `
:root { color-scheme: light dark; --ground: light-dark(#f6f6f8, #101114); --card: light-dark(#fff, #191b20); --line: light-dark(#e2e2e8, #2c2f37); --ink: light-dark(#17181c, #ececf1); --soft: light-dark(#5d606b, #a0a4b1); --accent: light-dark(#4f46e5, #a5a0ff); --bad: light-dark(#b42318, #ff9d93); --mat: light-dark(#f0f0f3, #23262d); }
* { box-sizing: border-box; margin: 0; }
body { background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; padding: clamp(16px, 4vw, 48px); max-width: 1760px; margin: auto; }
h1 { font-size: clamp(24px, 4vw, 36px); letter-spacing: -0.02em; line-height: 1.15; }
h2 { font-size: 20px; margin: 32px 0 16px; }
section { scroll-margin-top: 76px; }
h3 { font-size: 14px; font-weight: 600; overflow-wrap: anywhere; margin-bottom: 12px; }
h3 small { display: block; color: var(--soft); font-weight: 400; }
a { color: var(--accent); }
code { background: var(--mat); border-radius: 6px; padding: 1px 6px; font-size: 12px; }
.summary { display: flex; flex-wrap: wrap; gap: 12px 32px; margin: 24px 0; }
.summary dt { color: var(--soft); font-size: 13px; }
.summary dd { font-size: 22px; font-weight: 600; font-variant-numeric: tabular-nums; }
nav { display: flex; gap: 8px; position: sticky; top: 0; z-index: 1; padding: 12px 0; background: var(--ground); overflow-x: auto; }
nav a { border: 1px solid var(--line); background: var(--card); border-radius: 999px; padding: 4px 14px; text-decoration: none; color: var(--ink); white-space: nowrap; }
nav span { color: var(--soft); }
.cards { display: grid; gap: 16px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 360px), 1fr)); align-items: start; }
article { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 16px; min-width: 0; }
figure { min-width: 0; }
figcaption { color: var(--soft); font-size: 12px; overflow-wrap: anywhere; }
figcaption i { display: inline-block; width: 10px; height: 10px; border-radius: 50%; border: 1px solid var(--line); vertical-align: -1px; }
img, .unseen { display: block; width: 100%; object-fit: contain; border-radius: 8px; background: var(--mat); }
.unseen { display: grid; place-items: center; color: var(--soft); font-size: 13px; text-align: center; padding: 8px; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 8px; }
.pair img, .unseen { aspect-ratio: 1; }
.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(64px, 1fr)); gap: 8px; margin: 8px 0; }
.row img { aspect-ratio: 3 / 2; }
.row.moving { grid-template-columns: 1fr 2fr; }
.row.moving img { aspect-ratio: auto; height: 84px; background: none; object-position: left; }
video { width: 100%; display: block; aspect-ratio: 16 / 9; border-radius: 8px; object-fit: contain; background: #000; }
audio { width: 100%; display: block; }
.sound { display: flex; gap: 8px; margin-bottom: 8px; align-items: start; }
.sound .cover { flex: 0 0 96px; }
.sound .waveform { flex: 1; }
.sound .waveform img { height: 96px; object-fit: fill; background: light-dark(#f0f0f3, #c8cdd8); }
.facts { font-variant-numeric: tabular-nums; font-size: 13px; margin-top: 8px; overflow-wrap: anywhere; }
p.facts { color: var(--soft); }
th { color: var(--soft); font-weight: 500; text-align: left; white-space: nowrap; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { padding: 2px 8px 2px 0; vertical-align: top; }
.facts td, .facts thead th { width: 46%; }
.facts thead td, .facts tbody th { width: 8%; }
details td:not(:first-child) { text-align: right; }
.warnings { color: var(--soft); font-size: 13px; }
.warnings::before { content: 'note: '; }
.refused { color: var(--bad); overflow-wrap: anywhere; }
details { border-top: 1px solid var(--line); margin-top: 8px; padding-top: 8px; color: var(--soft); font-size: 13px; }
summary { cursor: pointer; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
`
