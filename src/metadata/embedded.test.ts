import { openInlineStore } from '../embedded/store.ts'
import { openTemporaryStore } from '../embedded/testing.ts'
import { describeMetadata } from './conformance.ts'
import { openEmbeddedMetadata } from './embedded.ts'

describeMetadata('embedded', async () => {
  const { store, close } = await openTemporaryStore()
  return { metadata: openEmbeddedMetadata(store), close }
})

describeMetadata('embedded, inline', async () => {
  const store = openInlineStore()
  return { metadata: openEmbeddedMetadata(store), close: store.close }
})
