/** What a deleted media left behind and what became of it: an entry of its erasure ledger, as the event log keeps it. */
export interface Erased {
  /**
   * `record`: the sender's words; `parts` of an upload that never was complete; `raw` bytes; `outputs`;
   * `cache`: copies of edges of our own; `cdn`: copies of a CDN elsewhere.
   */
  what: 'record' | 'parts' | 'raw' | 'outputs' | 'cache' | 'cdn'
  /** An address or the beginning of addresses, `s3://bucket/key`; or the name of a place. */
  where: string
  /** `removed`; `refused`: no edge serves it, and it leaves caches as they fill; `ordered`: the CDN has taken the order to forget it. */
  how: 'removed' | 'refused' | 'ordered'
  /** How many objects there were; null where nobody counts. */
  objects: number | null
}

/** What `media.erased` and `media.purged` say. */
export interface ErasureNote {
  removed: Erased[]
  /** Objects that were found afterwards where everything was to be gone. */
  left: number
}
