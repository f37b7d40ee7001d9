import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'

/** Makes the README's pictures of those that `npm run screens -- SCREENS` takes: `node scripts/images.ts SCREENS`. */

const images = join(import.meta.dirname, '..', 'docs', 'images')

export async function makeImages(screens: string): Promise<void> {
  mkdirSync(images, { recursive: true })
  for (const colours of ['light', 'dark']) {
    const shot = sharp(join(screens, `library.desktop-${colours}.png`)).resize({
      width: 1280,
      height: 612,
      position: 'top',
    })
    await shot.png({ palette: true, effort: 10 }).toFile(join(images, `library-${colours}.png`))
  }
}

if (import.meta.main) {
  const [screens] = process.argv.slice(2)
  if (!screens) throw new Error('Say where the pictures of `npm run screens` are: node scripts/images.ts SCREENS')
  await makeImages(screens)
}
