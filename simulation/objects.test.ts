import { systemClock } from '../src/media/clock.ts'
import { describeObjects } from '../src/objects/conformance.ts'
import { openMemoryObjects } from './objects.ts'

const whole = 'staged bytes are taken whole and kept'
describeObjects('memory', {
  open: async () => {
    const store = openMemoryObjects(systemClock)
    return {
      store,
      unfinished: async () => store.addresses().filter((url) => !store.has(url)),
      // It has nothing that a restart could lose.
      reopen: async () => {},
      end: store.close,
    }
  },
  exceptions: {
    'takes 300 MB in flat memory': 'its memory is where the bytes are',
    'shows the head once, before more is taken': whole,
    'holds staged bytes under no name': whole,
  },
})
