/** A producer as a child process: started, and ended from outside. What it does stands in producer-process.ts. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { within } from './broker-child.ts'
import { processFile } from './process-files.ts'
import type { ProducerTask } from './producer-process.ts'
import { Violation } from './violation.ts'

const ENTRY = processFile('producer')
const CLOSE_MS_MAX = 20_000

export interface ProducerChild {
  /** Resolves when it has opened the store, or has ended. */
  readonly opened: Promise<unknown>
  readonly ended: Promise<unknown>
  isOpen(): boolean
  /** By SIGTERM, and it must close the store, or by SIGKILL. @throws Violation if it ends otherwise, or not in time */
  end(how: 'closed' | 'killed'): Promise<void>
}

export function startProducer(task: ProducerTask): ProducerChild {
  const child = spawn(process.execPath, [ENTRY, JSON.stringify(task)], { stdio: ['ignore', 'pipe', 'pipe'] })
  let complaints = ''
  child.stderr.on('data', chunk => {
    complaints += chunk
  })
  let isOpen = false
  const hasOpened = once(child.stdout, 'data').then(() => {
    isOpen = true
  })
  const ended = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
  return {
    opened: Promise.race([hasOpened, ended]),
    ended,
    isOpen: () => isOpen,
    async end(how) {
      child.kill(how === 'closed' ? 'SIGTERM' : 'SIGKILL')
      const outcome = await within(CLOSE_MS_MAX, ended)
      if (outcome === undefined) {
        child.kill('SIGKILL')
        throw new Violation(`a process that was told to close had not after ${CLOSE_MS_MAX} ms`)
      }
      const [status, signal] = outcome
      if (how === 'closed' ? status !== 0 : signal !== 'SIGKILL') {
        throw new Violation(`a producer ended by itself, with status ${status}, signal ${signal}: ${complaints}`)
      }
    }
  }
}
