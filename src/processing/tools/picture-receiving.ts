import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { MediaError } from '../../media/errors.ts'
import { weighLeft } from './left.ts'
import type { MadePicture } from './picture-set.ts'
import type { PictureNews, PictureReply } from './pictures-child.ts'

/** Listens to one picture process, which has read hostile bytes: neither its words nor its files are believed to be ours. */
export interface Receiving {
  listen(chunk: Buffer): void
  /** Resolves with its last words: then all files are whole, and it has nothing left to do. */
  replied: Promise<void>
  /** Its last words; null when it had none. Every file that it told of lies in our folder then, and was handed on. */
  reply(): Promise<PictureReply | null>
  /** Resolves when nothing is under way. */
  settle(): Promise<void>
}

interface ReceivingOptions {
  /** The folder that the process writes to. */
  from: string
  /** Ours. */
  to: string
  onMade: (outputs: MadePicture[]) => Promise<void>
  /** What it says cannot be what we made it to say. */
  onNonsense: () => void
}

const longestTalk = 1024 * 1024
/** A name of ours: no path, nothing hidden. */
const fileForm = /^[a-z]+(?:-\d+)?\.[a-z]+$/

export function openReceiving({ from, to, onMade, onNonsense }: ReceivingOptions): Receiving {
  const working: Promise<void>[] = []
  let [text, heard] = ['', 0]
  let last: PictureReply | null = null
  const { promise: replied, resolve: onReplied } = Promise.withResolvers<void>()

  async function take(outputs: MadePicture[]): Promise<void> {
    for (const file of new Set(outputs.map((one) => one.file))) {
      if (!fileForm.test(file))
        throw new MediaError('tool_crashed', 'the picture process named a file that is not ours')
      const path = join(to, file)
      await rename(join(from, file), path)
      await weighLeft(path) // out of its reach
    }
    await onMade(outputs)
  }

  function hear(line: string): void {
    const news = JSON.parse(line) as PictureNews
    if ('reply' in news) {
      last = news.reply
      return onReplied()
    }
    const taken = take(news.made)
    taken.catch(() => {}) // told by `reply`
    working.push(taken)
  }

  return {
    replied,
    listen(chunk) {
      heard += chunk.length
      const lines = (text + chunk.toString('latin1')).split('\n')
      text = lines.pop() ?? ''
      try {
        if (heard > longestTalk) throw new Error('too many words')
        lines.forEach(hear)
      } catch {
        last = null
        onNonsense()
      }
    },
    async reply() {
      await Promise.all(working)
      return last
    },
    settle: async () => void (await Promise.allSettled(working)),
  }
}
