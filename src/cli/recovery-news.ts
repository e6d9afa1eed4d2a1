/** How far a long recovery is: for whoever watches a terminal one line that is written over, else a line of the log now and then. */
import { type Log, secondMs } from '../base/index.ts'
import { type CliWorld, ProgressLine } from './terminal.ts'
import { bytesInWords } from './words.ts'

/** How often a log that nobody watches is told of a recovery that goes on. */
const RECOVERY_NEWS_MS = 5 * secondMs

export interface Recovering {
  readonly doneBytes: number
  readonly totalBytes: number
}

export interface RecoveryNews {
  show(done: Recovering): void
  end(): void
}

export function recoveryNews(world: Pick<CliWorld, 'stderr' | 'clock'>, log: Log): RecoveryNews {
  const line = new ProgressLine(world)
  let toldMs = world.clock.monotonicMs()
  return {
    show({ doneBytes, totalBytes }) {
      line.show(`recovering  ${bytesInWords(doneBytes)} of ${bytesInWords(totalBytes)}`)
      if (world.stderr.isTerminal || world.clock.monotonicMs() < toldMs + RECOVERY_NEWS_MS) return
      toldMs = world.clock.monotonicMs()
      log.info('recovering', { doneBytes, totalBytes })
    },
    end: () => line.end()
  }
}
