/** A broker as a child process: started, stopped, killed. Its store is small, so that a load crosses the ends of files. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { MiB } from '../../src/base/index.ts'
import { Violation } from './violation.ts'

const START_MS_MAX = 60_000
const STOP_MS_MAX = 20_000
const COMPLAINTS_SHOWN = 2_000
const QUEUE_ENTRIES = 2_000
const ENTRY = fileURLToPath(new URL('broker-process.js', import.meta.url))

/** Planted in the process by broker-process.ts. */
export type BrokerDefect = 'lengths are not checked'

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
  { command = [], defect }: { command?: readonly string[]; defect?: BrokerDefect | undefined } = {}
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
  const [program = process.execPath, ...args] = [
    ...command,
    process.execPath,
    ENTRY,
    JSON.stringify(settings),
    ...(defect === undefined ? [] : [defect])
  ]
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
  const { broker, http } = JSON.parse(began) as { broker: string; http?: string }
  return {
    pid: child.pid as number, // It runs.
    port: Number(broker.split(':').at(-1)),
    http,
    ended,
    complaints: () => said.err,
    signal: signal => void child.kill(signal),
    kill: () => kill(child, ended),
    stop: () => stop(child, ended, () => said.err)
  }
}

async function kill(child: ChildProcess, ended: Promise<string | number>): Promise<void> {
  child.kill('SIGKILL')
  const end = await ended
  if (end !== 'SIGKILL') throw new Violation(`the broker had ended by itself, with ${end}`)
}

async function stop(child: ChildProcess, ended: Promise<string | number>, complaints: () => string): Promise<void> {
  child.kill('SIGTERM')
  const end = await within(STOP_MS_MAX, ended)
  if (end === undefined) child.kill('SIGKILL')
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
