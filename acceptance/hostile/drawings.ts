import { gzipSync } from 'node:zlib'
import { type Attack, addressesOf, type Ending, type Given } from './attack.ts'
import { latin1 } from './bytes.ts'

/** SVG: text that may refer, repeat and swell. It is drawn and never served as sent. */

const survived: readonly Ending[] = [
  'processed',
  'undecodable',
  'too_many_pixels',
  'memory_exceeded',
  'deadline_exceeded',
]

function drawing(
  name: string,
  text: (given: Given & { open: string }) => string,
  ends: Attack['ends'] = survived,
  more: Partial<Attack> = {},
): Attack {
  const bytes = (given: Given) => latin1(text({ ...given, open: given.seeds.svg }))
  return {
    name,
    filename: 'drawing.svg',
    as: 'image',
    content_type: 'image/svg+xml',
    ends,
    bytes,
    quick: true,
    ...more,
  }
}
const heavy = { quick: undefined } as unknown as Partial<Attack>

const pixel = '<rect width="64" height="48" fill="#369"/>'

/** Ten times ten times ten… */
function nested(levels: number, item: (level: number) => string): string {
  return Array.from({ length: levels }, (_, level) => item(level)).join('')
}

export const drawingReferences: Attack[] = [
  drawing(
    'entities of files',
    ({ aims, open }) =>
      `<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a SYSTEM "file://${aims.trap}"><!ENTITY b SYSTEM "${aims.secret}"><!ENTITY c SYSTEM "http://127.0.0.1:${aims.tcp.v4}/">]>${open}${pixel}<text y="20">&a;&b;&c;</text></svg>`,
  ),
  drawing(
    'a document type elsewhere',
    ({ aims, open }) => `<!DOCTYPE svg SYSTEM "http://127.0.0.1:${aims.tcp.v4}/svg.dtd">${open}${pixel}</svg>`,
  ),
  drawing(
    'entities of a parameter',
    ({ aims, open }) =>
      `<!DOCTYPE svg [<!ENTITY % p SYSTEM "http://127.0.0.1:${aims.tcp.v4}/x.dtd">%p;<!ENTITY % q SYSTEM "file://${aims.trap}">%q;]>${open}${pixel}</svg>`,
  ),
  drawing(
    'pictures elsewhere',
    ({ aims, open }) =>
      `${open}${pixel}${addressesOf(aims)
        .flatMap((address) => [
          `<image width="9" height="9" href="${address}"/>`,
          `<image width="9" height="9" xlink:href="${address}"/>`,
        ])
        .join('')}</svg>`,
    ['processed'],
  ),
  drawing(
    'parts elsewhere',
    ({ aims, open }) =>
      `${open}${pixel}${addressesOf(aims)
        .map((address) => `<use href="${address}#a"/><use xlink:href="${address}#a"/>`)
        .join('')}</svg>`,
    ['processed', 'undecodable'],
  ),
  drawing(
    'styles and fonts elsewhere',
    ({ aims, open }) =>
      `${open}<style>@import url("http://127.0.0.1:${aims.tcp.v4}/a.css"); @import "${aims.trap}"; @font-face{font-family:f;src:url("file://${aims.trap}")} rect{fill:url("http://127.0.0.1:${aims.tcp.v4}/#a")}</style>${pixel}<text font-family="f" y="20">a</text></svg>`,
    ['processed', 'undecodable'],
  ),
  drawing(
    'a style sheet by instruction',
    ({ aims, open }) =>
      `<?xml version="1.0"?><?xml-stylesheet href="file://${aims.trap}"?><?xml-stylesheet href="http://127.0.0.1:${aims.tcp.v4}/"?>${open}${pixel}</svg>`,
    ['processed', 'undecodable'],
  ),
  drawing(
    'a filter of a picture elsewhere',
    ({ aims, open }) =>
      `${open}<filter id="f">${addressesOf(aims)
        .map((address) => `<feImage href="${address}" xlink:href="${address}"/>`)
        .join('')}</filter><rect width="9" height="9" filter="url(#f)"/></svg>`,
    ['processed', 'undecodable'],
  ),
  drawing(
    'a part of another document',
    ({ aims, open }) =>
      `${open}${pixel}<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file://${aims.trap}" parse="text"/></svg>`,
    ['processed', 'undecodable'],
  ),
  drawing(
    'scripts and pages',
    ({ aims, open }) =>
      `${open}${pixel}<script>fetch('http://127.0.0.1:${aims.tcp.v4}/')</script><foreignObject width="9" height="9"><iframe xmlns="http://www.w3.org/1999/xhtml" src="file://${aims.trap}"/></foreignObject></svg>`,
    ['processed'],
  ),
  drawing(
    'a drawing in the drawing that refers',
    ({ aims, open }) => {
      const inner = Buffer.from(
        `${open}<image width="9" height="9" href="file://${aims.trap}"/><image width="9" height="9" href="http://127.0.0.1:${aims.tcp.v4}/"/></svg>`,
      ).toString('base64')
      return `${open}${pixel}<image width="64" height="48" href="data:image/svg+xml;base64,${inner}"/></svg>`
    },
    ['processed'],
  ),
]

const swelling: Attack[] = [
  drawing(
    'a billion laughs',
    ({ open }) =>
      `<!DOCTYPE svg [<!ENTITY l0 "ha">${nested(12, (n) => `<!ENTITY l${n + 1} "${`&l${n};`.repeat(10)}">`)}]>${open}<text y="20">&l12;</text></svg>`,
  ),
  drawing(
    'one long entity many times',
    ({ open }) =>
      `<!DOCTYPE svg [<!ENTITY a "${'a'.repeat(50_000)}">]>${open}<text>${'&a;'.repeat(50_000)}</text></svg>`,
  ),
  drawing(
    'an entity within itself',
    ({ open }) => `<!DOCTYPE svg [<!ENTITY a "&b;"><!ENTITY b "&a;">]>${open}<text>&a;</text></svg>`,
  ),
  drawing(
    'parts of parts of parts',
    ({ open }) =>
      `${open}<defs><rect id="u0" width="9" height="9"/>${nested(14, (n) => `<g id="u${n + 1}">${`<use href="#u${n}"/>`.repeat(10)}</g>`)}</defs><use href="#u14"/></svg>`,
  ),
  drawing('a part of itself', ({ open }) => `${open}<g id="a"><use href="#a"/></g></svg>`),
  drawing(
    'a pattern of itself',
    ({ open }) =>
      `${open}<pattern id="p" width="9" height="9" patternUnits="userSpaceOnUse"><rect width="9" height="9" fill="url(#p)"/></pattern><rect width="64" height="48" fill="url(#p)"/></svg>`,
  ),
  drawing(
    'groups within groups, a hundred thousand deep',
    ({ open }) => `${open}${'<g>'.repeat(100_000)}${'</g>'.repeat(100_000)}</svg>`,
  ),
  drawing(
    'a million attributes',
    ({ open }) => `${open}<rect ${Array.from({ length: 200_000 }, (_, n) => `a${n}="1"`).join(' ')}/></svg>`,
  ),
  drawing(
    'a path of a million points',
    ({ open }) =>
      `${open}<path stroke="#000" stroke-dasharray="0.01" d="M0 0 ${'L64 48 L0 0 '.repeat(500_000)}"/></svg>`,
    survived,
    heavy,
  ),
]

const sizes: Attack[] = [
  ...['1000000', '1e9', '100000000000000000000', '99999mm', '-1', '0', '1e400'].map((side) =>
    drawing(
      `${side} wide and high`,
      () => `<svg xmlns="http://www.w3.org/2000/svg" width="${side}" height="${side}">${pixel}</svg>`,
    ),
  ),
  drawing(
    'a view of a thousand million',
    () => `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000000000 1000000000">${pixel}</svg>`,
  ),
  drawing(
    'a million wide and one high',
    () => `<svg xmlns="http://www.w3.org/2000/svg" width="1000000" height="1">${pixel}</svg>`,
  ),
  drawing(
    'as large as we take',
    () => `<svg xmlns="http://www.w3.org/2000/svg" width="10000" height="10000">${pixel}</svg>`,
    survived,
    heavy,
  ),
  drawing(
    'a blur beyond all measure',
    () =>
      `<svg xmlns="http://www.w3.org/2000/svg" width="3000" height="3000"><filter id="f" x="-99" y="-99" width="999" height="999"><feGaussianBlur stdDeviation="100000"/></filter><rect width="3000" height="3000" filter="url(#f)"/></svg>`,
    survived,
    heavy,
  ),
  drawing(
    'turbulence without end',
    () =>
      `<svg xmlns="http://www.w3.org/2000/svg" width="5000" height="5000"><filter id="f">${'<feTurbulence baseFrequency="0.5" numOctaves="100000"/>'.repeat(50)}</filter><rect width="5000" height="5000" filter="url(#f)"/></svg>`,
    survived,
    heavy,
  ),
  drawing(
    'filters upon filters',
    () =>
      `<svg xmlns="http://www.w3.org/2000/svg" width="6000" height="6000"><filter id="f">${'<feMorphology radius="2000" operator="dilate"/><feGaussianBlur stdDeviation="500"/>'.repeat(100)}</filter><rect width="6000" height="6000" filter="url(#f)"/></svg>`,
    survived,
    heavy,
  ),
  drawing('text larger than the sky', ({ open }) => `${open}<text font-size="100000000" y="100">a</text></svg>`),
  drawing('not a drawing after all', ({ open }) => `${open}<not closed`, ['undecodable']),
  {
    ...drawing('a packed drawing', () => '', ['unsupported_media']),
    filename: 'drawing.svgz',
    bytes: () => gzipSync(Buffer.alloc(50_000_000)),
  },
]

export const drawings: Attack[] = [...drawingReferences, ...swelling, ...sizes]
