import { after, before, describe, it } from 'node:test'
import { describeCursors } from './conformance-cursors.ts'
import { describeDeliveries } from './conformance-deliveries.ts'
import { describeEvents, describeJobs } from './conformance-jobs.ts'
import { describeLists, describeValues } from './conformance-lists.ts'
import { describeModel } from './conformance-model.ts'
import { describeOperations } from './conformance-operations.ts'
import { describeRaces, describeRecords } from './conformance-records.ts'
import type { Metadata } from './port.ts'

/** Opens the driver under test; `close` also ends what it stands on. One for the whole suite, perhaps shared and not empty. */
export type OpenForTest = () => Promise<{ metadata: Metadata; close(): Promise<void> }>

/** The suite that every metadata driver runs unchanged: what `port.ts` promises. */
export function describeMetadata(name: string, open: OpenForTest): void {
  describe(`metadata: ${name}`, () => {
    let metadata: Metadata
    let close: () => Promise<void>
    before(async () => {
      ;({ metadata, close } = await open())
    })
    after(async () => await close())
    const given = () => metadata
    describe('records', () => describeRecords(given))
    describe('races', () => describeRaces(given))
    describe('jobs', () => describeJobs(given))
    describe('events', () => describeEvents(given))
    describe('cursors', () => describeCursors(given))
    describe('deliveries', () => describeDeliveries(given))
    describe('operations', () => describeOperations(given))
    describe('lists', () => describeLists(given))
    describe('hostile and large values', () => describeValues(given))
    describeModel(given)
    it('is ready for a write', async () => await metadata.ping())
  })
}
