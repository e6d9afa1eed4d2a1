/** A broker as a child process: started, stopped, killed. Its store is small, so that a load crosses the ends of files. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { MiB } from '../../src/base/index.ts'
import { processFile } from './process-files.ts'
import { Violation } from './violation.ts'

const START_MS_MAX = 60_000
const STOP_MS_MAX = 20_000
const COMPLAINTS_SHOWN = 2_000
const QUEUE_ENTRIES = 2_000
const ENTRY = processFile('broker')

/** Planted in the process by broker-process.ts. */
export type BrokerDefect = 'lengths are not checked' | 'memory is kept for ever'

export interface BrokerTask {
  readonly settings: Readonly<Record<string, string>>
  readonly defect?: BrokerDefect
  /** A file that says by how many ms the broker's clock is ahead. */
  readonly clock?: string
}

export interface Surroundings extends Partial<Omit<BrokerTask, 'settings' | 'defect'>> {
  readonly defect?: BrokerDefect | undefined
  /** Runs the process, as `strace` does. */
  readonly command?: readonly string[]
}

export interface BrokerChild {
  readonly pid: number
  readonly port: number
  readonly http: string | undefined
  /** Signal or status with which the process has ended. */
  readonly ended: Promise<string | number>
  /** What it said on stderr. */
  complaints(): string
  signal(signal: NodeJS.Signals): void
  kill(): Promise<void>
  /** @throws Violation unless it stops cleanly in time */
  stop(): Promise<void>
}

export const SMALL_FILES: Readonly<Record<string, string>> = {
  mappedFileSizeCommitLog: String(MiB),
  mappedFileSizeConsumeQueue: String(20 * QUEUE_ENTRIES),
  mappedFileSizeTimerLog: String(52 * 100),
  maxHashSlotNum: '500',
  maxIndexNum: '5000'
}

/** Whatever happened to the store, a broker starts on it. @throws Violation if it does not */
export async function startBrokerChild(
  directory: string,
  config: Readonly<Record<string, string>>,
  { command = [], defect, clock }: Surroundings = {}
): Promise<BrokerChild> {
  const settings = {
    brokerName: 'crash',
    storePathRootDir: directory,
    listenPort: '0',
    varveNameServer: 'off',
    varveHttp: 'off',
    autoCreateTopicEnable: 'false',
    ...SMALL_FILES,
    ...config
  }
  const task: BrokerTask = { settings, ...(defect && { defect }), ...(clock && { clock }) }
  const [program = process.execPath, ...args] = [...command, process.execPath, ENTRY, JSON.stringify(task)]
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  const said = { out: '', err: '' }
  child.stderr.on('data', chunk => {
    said.err = (said.err + chunk).slice(-COMPLAINTS_SHOWN)
  })
  const ended = once(child, 'close').then(([status, signal]) => (signal ?? status) as string | number)
  const first = new Promise<string>(resolve => {
    child.stdout.on('data', chunk => {
      said.out += chunk
      const end = said.out.indexOf('\n')
      if (end >= 0) resolve(said.out.slice(0, end))
    })
  })
  const began = await within(START_MS_MAX, Promise.race([first, ended]))
  if (typeof began !== 'string' || !began.startsWith('{')) {
    child.kill('SIGKILL')
    throw new Violation(`the broker does not start (${String(began)}): ${said.err}`)
  }
  const { broker, http, pid } = JSON.parse(began) as { broker: string; http?: string; pid: number }
  return {
    pid,
    port: Number(broker.split(':').at(-1)),
    http,
    ended,
    complaints: () => said.err,
    signal: signal => signalTo(pid, signal),
    kill: () => kill(pid, ended),
    stop: () => stop(pid, ended, () => said.err)
  }
}

/** Not to what may run it: a tracer that is killed lets go of what it traces. */
function signalTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended; how, `ended` tells.
  }
}

async function kill(pid: number, ended: Promise<string | number>): Promise<void> {
  signalTo(pid, 'SIGKILL')
  const end = await ended
  if (end !== 'SIGKILL') throw new Violation(`the broker had ended by itself, with ${end}`)
}

async function stop(pid: number, ended: Promise<string | number>, complaints: () => string): Promise<void> {
  signalTo(pid, 'SIGTERM')
  const end = await within(STOP_MS_MAX, ended)
  if (end === undefined) signalTo(pid, 'SIGKILL')
  if (end !== 0) throw new Violation(`the broker was told to stop and ended with ${end}: ${complaints()}`)
}

/** Undefined if it takes longer. */
export async function within<Value>(ms: number, work: Promise<Value>): Promise<Value | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>(resolve => {
    timer = setTimeout(() => resolve(undefined), ms)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}
