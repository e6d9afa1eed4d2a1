/** A broker in a process of its own, as a contender: it is started in a fresh directory, put under a load, and ended. */

import { existsSync, readFileSync } from 'node:fs'
import type { LoadSettings, Measurement } from '../../src/load/index.ts'
import { type Contender, runCaseFile } from '../harness.ts'

export interface BrokerProcess {
  /** HOST:PORT. */
  readonly address: string
  readonly pid: number
  /** From the start of its process until it was ready; what it needs beside it ran already. */
  readonly readyMs: number
  /** For the report: everything that makes its figures what they are. */
  readonly settings: Readonly<Record<string, string | number | boolean>>
  /** Whatever it holds is thrown away, so it need not end in order. */
  end(): Promise<void>
  /** In order, as an operator stops it; where that is of interest. */
  stop?(): Promise<void>
}

export interface BrokerStart {
  readonly directory: string
  readonly flush: 'async' | 'sync'
  /** Small files, for tests. */
  readonly smoke: boolean
}

/** What a benchmark needs to know of a broker to run it. */
export interface BrokerKind {
  readonly name: string
  readonly isPeer?: boolean
  readonly isSlow?: boolean
  readonly whyNot?: NonNullable<Contender['whyNot']>
  /** Until its code is compiled and its first files are there; each has what it needs. */
  readonly warmUpSeconds: number
  /** In a quick run, which is for looking and not for quoting. */
  readonly quickWarmUpSeconds: number
  start(options: BrokerStart): Promise<BrokerProcess>
  /** What it has said, for whoever asks why it failed. */
  logFile(directory: string): string
}

export interface BrokerLoad extends Omit<LoadSettings, 'broker' | 'pid' | 'extent'> {
  readonly seconds: number
  readonly smoke: boolean
  readonly quick?: boolean
  readonly flush: 'async' | 'sync'
}

/** Enough that every connection and queue sees some. */
const SMOKE_COUNT = 2048
/** A backlog is pulled over and over, so it ends by time; a moment of it is enough for a test. */
const SMOKE_PULL = { extent: { seconds: 0.2 }, backlog: SMOKE_COUNT }

export function brokerContender(
  kind: BrokerKind,
  { seconds, smoke, quick = false, flush, ...load }: BrokerLoad
): Contender {
  return withBroker(kind, { flush, smoke }, async ({ address, pid, settings }) => {
    const warmUpSeconds = quick ? kind.quickWarmUpSeconds : kind.warmUpSeconds
    const extent = smoke ? { count: SMOKE_COUNT } : { seconds, warmUpSeconds }
    const sized = load.load === 'pull' && smoke ? SMOKE_PULL : { extent }
    const measured = await runCaseFile('broker/load.case.ts', { ...load, ...sized, broker: address, pid })
    return { ...measured, settings: { ...measured.settings, flush, ...settings } }
  })
}

/** Measures something of a broker that has just become ready. */
export function withBroker(
  kind: BrokerKind,
  options: Omit<BrokerStart, 'directory'>,
  measure: (broker: BrokerProcess, directory: string) => Promise<Measurement>
): Contender {
  const { name, isPeer = false, isSlow = false, whyNot } = kind
  return {
    name,
    isPeer,
    isSlow,
    ...(whyNot === undefined ? {} : { whyNot }),
    async run({ directory }) {
      let broker: BrokerProcess | undefined
      try {
        broker = await kind.start({ directory, ...options })
        return await measure(broker, directory)
      } catch (cause) {
        throw new Error(`${String(cause)}; ${name} said last: ${lastWords(kind.logFile(directory))}`, { cause })
      } finally {
        await broker?.end()
      }
    }
  }
}

const WORDS_MAX = 1000

function lastWords(logFile: string): string {
  return existsSync(logFile) ? readFileSync(logFile, 'utf8').slice(-WORDS_MAX) : 'nothing'
}
