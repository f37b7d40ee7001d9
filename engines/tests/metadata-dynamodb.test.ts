import { systemChance, systemClock } from '../../src/media/clock.ts'
import { parseSettings } from '../../src/media/setting.ts'
import { describeMetadata } from '../../src/metadata/conformance.ts'
import { openDynamodbMetadata } from '../../src/metadata/dynamodb.ts'
import { setUpDynamodb } from '../../src/metadata/dynamodb-set-up.ts'
import { metadataSettings } from '../../src/metadata/settings.ts'
import { startDynamodb } from '../dynamodb.ts'
import { engineFor } from '../engine.ts'

const given = { clock: systemClock, chance: systemChance }

async function openOnEngine() {
  const engine = await engineFor('dynamodb', startDynamodb)
  Object.assign(process.env, engine.env)
  const table = `test-${systemChance.uuid()}`
  const settings = parseSettings(metadataSettings, { ...engine.env, METADATA_DYNAMODB_TABLE: table })
  await setUpDynamodb(settings, given)
  return { engine, settings }
}

describeMetadata('dynamodb', async () => {
  const { engine, settings } = await openOnEngine()
  const metadata = openDynamodbMetadata(settings, given)
  return {
    metadata,
    close: async () => {
      await metadata.close()
      await engine.stop()
    },
  }
})
