/** What delivers outputs, as far as the service must tell it something. The embedded edge follows the metadata by itself. */
export interface Cdn {
  close(): Promise<void>
}

/** An ability: it keeps copies until it is told to forget them. */
export interface Forgetting {
  /**
   * Makes it forget whatever lies below an address. Resolves when it has taken the order, which it then carries out by
   * itself; a reader may be served from a copy until then. What it would fetch again must be gone before.
   * @throws MediaError `slow_down` when it has too much to forget already, `unavailable`; or the signal's reason
   */
  forget(order: ForgetOrder): Promise<void>
}

export interface ForgetOrder {
  /** Below the base of all addresses, without a slash at either end: `{media_id}`. */
  folder: string
  /** The same for the same order: asked again, it is not carried out twice. */
  reference: string
  signal: AbortSignal
}

export function canForget<C extends Cdn>(cdn: C): cdn is C & Forgetting {
  return 'forget' in cdn
}
