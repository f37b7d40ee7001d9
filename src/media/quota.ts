/** What a user has: media that are not deleted, and the bytes of their uploads, as far as they are known. */
export interface Usage {
  media: number
  bytes: number
}

/** What a user may have. */
export interface Quota {
  /** @throws MediaError `quota_exceeded` when he has no room for so much more; two at the same moment may both find room */
  check(user_id: string, more: Usage): Promise<void>
}

/** Everybody may have everything. */
export const noQuota: Quota = { check: async () => {} }
