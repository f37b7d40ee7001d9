import type { Command } from './command.ts'
import { completion } from './commands/completion.ts'
import { download } from './commands/download.ts'
import { events } from './commands/events.ts'
import { list } from './commands/list.ts'
import { remove } from './commands/remove.ts'
import { retry } from './commands/retry.ts'
import { doctor, edge, serve, setup, worker } from './commands/service.ts'
import { show } from './commands/show.ts'
import { upload } from './commands/upload.ts'

/** Every command, in the order of the help. */
export const commands: readonly Command[] = [
  serve,
  worker,
  edge,
  setup,
  doctor,
  upload,
  list,
  show,
  events,
  download,
  retry,
  remove,
  completion,
]
