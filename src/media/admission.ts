/**
 * How much of the workers one user may have at a time. What is beyond it is `held`, and wakes nobody: so that whoever
 * comes with one job need not wait behind another's thousands.
 */
export interface Admission {
  /**
   * Makes a processing job; `make` is told whether it is to be held.
   * What is being made counts as in flight until it is made.
   */
  admit<T>(user_id: string, make: (held: boolean) => Promise<T>): Promise<T>
  /** Lets as many of a user's held jobs go as he has room for, oldest first: to be called when one of his has ended. */
  refill(user_id: string): Promise<void>
  /**
   * How many segments of one of his long films may be in flight: as much as he may have, shared among what he has in
   * flight; never none, so that a film always goes on.
   */
  segmentsOf(user_id: string): Promise<number>
}

/** Everybody may have everything. */
export const freeAdmission: Admission = {
  admit: async (_, make) => await make(false),
  refill: async () => {},
  segmentsOf: async () => Number.POSITIVE_INFINITY,
}
