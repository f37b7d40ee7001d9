import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStore, type Store } from './store.ts'

/** For tests: a store on a real file, in a folder that goes with it. */
export async function openTemporaryStore(): Promise<{ store: Store; close(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'store-'))
  const store = await openStore({ path: join(folder, 'media.db') })
  return {
    store,
    close: async () => {
      await store.close()
      await rm(folder, { recursive: true })
    },
  }
}
