/** Millions of timers that wait cost little memory, and hold up none of those that are due. */
import { alternate, type Benchmark, caseProcess } from '../harness.ts'
import { storeOptions } from '../store/sizes.ts'
import type { PendingTimersSettings } from './pending-timers.case.ts'

const SIZES = {
  full: { pending: 10_000_000, due: 200_000 },
  quick: { pending: 300_000, due: 50_000 },
  smoke: { pending: 2000, due: 500 }
}

export const pendingTimers: Benchmark = {
  name: 'broker/pending-timers',
  question:
    'delivering 200,000 timers that are due in one second, while 10 million wait for up to 40 days, and while none do',
  run: options => {
    const { pending, due } = SIZES[options.smoke ? 'smoke' : options.quick ? 'quick' : 'full']
    const side = (name: string, waiting: number) => {
      const settings: Omit<PendingTimersSettings, 'directory'> = {
        pending: waiting,
        days: 40,
        due,
        options: storeOptions(options)
      }
      return caseProcess(name, 'broker/pending-timers.case.ts', { ...settings })
    }
    return alternate(pendingTimers, options, {
      contenders: [side('pending', pending), side('alone', 0)],
      bounds: [
        { side: 'pending', of: 'residentAddedMiB', atMost: 200 },
        { side: 'pending', against: 'alone', of: 'rate', atLeast: 0.8 }
      ]
    })
  }
}
