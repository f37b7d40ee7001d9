import type { Store } from '../embedded/store.ts'
import { openEmbeddedMetadata } from './embedded.ts'
import type { Metadata } from './port.ts'
import type { MetadataSettings } from './settings.ts'

/** The metadata driver that `settings` names. @param given.store opens the embedded engine's database, which the caller closes. */
export async function openMetadata(
  settings: MetadataSettings,
  { store }: { store: () => Promise<Store> },
): Promise<Metadata> {
  switch (settings.driver) {
    case 'embedded':
      return openEmbeddedMetadata(await store())
  }
}
