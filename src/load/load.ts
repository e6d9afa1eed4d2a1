/** What a load is asked for, what it has beside that, and what is said of it when it is over. */
import { readBack, untilStored } from './broker-calls.ts'
import type { Address } from './connection.ts'
import type { Extent, Measured } from './meter.ts'
import type { CaseResult } from './report.ts'
import type { SendTarget } from './request-frame.ts'
import type { Watch } from './timeline.ts'

export interface LoadSettings {
  /** HOST:PORT of a broker, and its process, if it runs on this machine: its CPU is counted. */
  readonly broker: string
  readonly pid?: number
  readonly load:
    | 'send'
    | 'fixed-rate'
    | 'beside-cold'
    | 'pull'
    | 'consume'
    | 'end-to-end'
    | 'delayed'
    | 'due-rate'
    | 'due-burst'
    | 'transactions'
  readonly extent: Extent
  readonly bodyBytes?: number
  readonly connections?: number
  /** Requests in flight on each connection; of a fixed rate, the most that may be. */
  readonly window?: number
  readonly batchCount?: number
  /** Topics are called so, with a number behind it. */
  readonly topic?: string
  readonly topicCount?: number
  readonly queueCount?: number
  /** Topics that the load has made are deleted after it. */
  readonly deletes?: boolean
  /** Messages a second, of a fixed rate; of an end-to-end load 0 is as many as are taken. */
  readonly rate?: number
  /** What is there already, to be consumed from its oldest message to its last. */
  readonly existing?: readonly SendTarget[]
  /** Messages that lie there before they are pulled. */
  readonly backlog?: number
  /** Connections that consume, of an end-to-end load. */
  readonly consumers?: number
  /** How messages of a delayed load wait: in a level, or all for one moment. */
  readonly wait?: 'level' | 'moment'
  /** Messages that those may be behind; senders wait for them. */
  readonly lagMax?: number
  /** Each connection that sends has a queue of its own, and what comes out of a queue must be in the order of sending. */
  readonly ordered?: boolean
  /** Messages that are due in the same second, of a burst; `rate` is that of those that are sent meanwhile. */
  readonly burst?: number
}

export interface Load extends Required<Omit<LoadSettings, 'pid'>> {
  readonly watch: Watch
  readonly address: Address
  readonly targets: readonly SendTarget[]
  /** What each of them held before: a broker may have seen other loads. */
  readonly offsets: readonly number[]
}

export const DEFAULTS = {
  bodyBytes: 1024,
  connections: 8,
  window: 64,
  batchCount: 1,
  topic: 'bench',
  topicCount: 1,
  queueCount: 8,
  rate: 0,
  existing: [],
  backlog: 200_000,
  consumers: 4,
  lagMax: 8192,
  wait: 'level',
  burst: 200_000,
  deletes: false,
  ordered: false
} as const

/** Settings that only one kind of load has. */
const ONLY_OF = {
  send: [],
  'fixed-rate': ['rate'],
  'beside-cold': ['rate'],
  pull: ['backlog'],
  consume: [],
  'end-to-end': ['consumers', 'lagMax', 'rate', 'ordered'],
  delayed: ['wait'],
  'due-rate': ['rate'],
  'due-burst': ['rate', 'burst'],
  transactions: []
} as const

/** Everything that was acknowledged, and nothing else, is there. Resolves with the milliseconds it took to see it. */
export function allStored({ address, targets, offsets }: Load, acknowledged: number): Promise<number> {
  return untilStored(
    address,
    targets,
    offsets.reduce((sum, offset) => sum + offset, acknowledged)
  )
}

export async function resultOf(
  load: Load,
  { messages, all, seconds, brokerCpuUs, ownCpuUs, latency, timeline }: Measured,
  details: Readonly<Record<string, number>>,
  numbered = false
): Promise<CaseResult> {
  const { address, targets, bodyBytes, connections, window, batchCount, topicCount, queueCount } = load
  const hash = await readBack(address, targets[0]!, { bodyBytes, numbered }) // There is at least one queue.
  return {
    messages,
    seconds,
    ...(brokerCpuUs === undefined ? {} : { cpuUs: brokerCpuUs }),
    ...latency,
    ...(timeline === undefined ? {} : { timeline }),
    work: { count: all, hash },
    settings: {
      load: load.load,
      bodyBytes,
      connections,
      window,
      batchCount,
      topicCount,
      queueCount,
      ...Object.fromEntries(ONLY_OF[load.load].map(name => [name, load[name]]))
    },
    details: { ...details, generatorCpuUs: ownCpuUs / Math.max(1, messages) }
  }
}
