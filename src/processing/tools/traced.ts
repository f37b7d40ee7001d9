import { basename } from 'node:path'
import type { InStep } from '../../media/trace.ts'
import type { Runner } from './run.ts'

/** A runner each of whose tools is a step: `run ffmpeg`. What is kept ready for later is none until it begins. */
export function tracedRunner(runner: Runner, step: InStep): Runner {
  return {
    run: async (command) => await step(nameOf(command), async () => await runner.run(command)),
    start: (command) => {
      const running = runner.start(command)
      const dismissed = Promise.withResolvers<void>()
      return {
        ...running,
        begin: (input, given) => {
          running.begin(input, given)
          // Whoever waits for it hears of its failure there.
          void step(nameOf(command), async () => await Promise.race([running.finished, dismissed.promise])).catch(
            () => {},
          )
        },
        // Its step is over when it has done its work, not when the last of it is taken down.
        kill: () => {
          running.kill()
          dismissed.resolve()
        },
      }
    },
  }
}

function nameOf({ program }: { program: string }): string {
  return `run ${basename(program)}`
}
