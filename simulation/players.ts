import type { MediaRecord } from '../src/media/record.ts'
import { fates } from './processor.ts'
import { type Ask, askOf } from './requests.ts'
import { png } from './samples.ts'
import { type UploadInParts, uploadInParts } from './upload-in-parts.ts'
import type { World } from './world.ts'

const user_id = 'ada'

/** What a player was told. */
export interface Played {
  /** Uploads whose door said yes. */
  acknowledged: MediaRecord[]
  /** Media whose removal, or giving up, was acknowledged. */
  removed: string[]
  /** Uploads in parts that were begun, whatever became of them. */
  begun: MediaRecord[]
  /** Uploads that were said not to be there while they were. */
  denied: string[]
}

/** Uploads, renames, retries and removes for some minutes. */
export async function playUser(world: World): Promise<Played> {
  const { clock, random } = world
  const played: Played = { acknowledged: [], removed: [], begun: [], denied: [] }
  const actions = 4 + Math.floor(random() * 10)
  for (let action = 0; action < actions; action++) {
    await clock.sleep(random() * 30_000)
    const ask = askOf(world)
    const choice = random()
    if (choice < 0.3) await uploadWhole(world, ask, played)
    else if (choice < 0.65) note(played, await uploadInParts(world, ask, titleOf(world, played)))
    else await change(world, ask, played)
  }
  return played
}

function titleOf({ random }: World, { begun, acknowledged }: Played): string {
  const fate = fates[Math.floor(random() * fates.length)] ?? 'fine'
  return `${fate} ${begun.length + acknowledged.length}`
}

async function uploadWhole(world: World, ask: Ask, played: Played): Promise<void> {
  const title = titleOf(world, played)
  const signal = new AbortController().signal
  const given = { user_id, filename: 'a.png', limit: 1_000_000, signal }
  const record = await ask(async ({ intake }) =>
    intake.accept(await intake.receive({ ...given, source: once(png) }), { title }),
  )
  if (record) played.acknowledged.push(record)
}

function note(played: Played, { begun, acknowledged, removed, denied }: UploadInParts): void {
  if (begun) played.begun.push(begun)
  if (acknowledged) played.acknowledged.push(acknowledged)
  if (removed && begun) played.removed.push(begun.media_id)
  if (denied && begun) played.denied.push(begun.media_id)
}

/** Of any media there is, under way or not. */
async function change({ random }: World, ask: Ask, played: Played): Promise<void> {
  const targets = [...played.acknowledged, ...played.begun]
  const target = targets[Math.floor(random() * targets.length)]
  if (!target) return
  const { media_id, title } = target
  const choice = random()
  if (choice < 0.3) await ask(({ library }) => library.rename(user_id, media_id, `${title} renamed`))
  else if (choice < 0.6) await ask(({ library }) => library.retry(user_id, media_id))
  else {
    const removed = await ask(async ({ library }) => {
      await library.remove(user_id, media_id)
      return true
    })
    if (removed) played.removed.push(media_id)
  }
}

async function* once(bytes: Buffer): AsyncIterable<Uint8Array> {
  yield bytes
}
