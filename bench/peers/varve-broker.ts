/**
 * `varve start` in a process of its own, with nothing but the broker: no name server and no HTTP, as Apache's has none.
 * It is the compiled program that its users run, bundle and all, made current by the set-up before the first run.
 */
import { execFileSync, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { compiledCase, projectRoot } from '../project.ts'
import type { BrokerKind, BrokerProcess, BrokerStart } from './broker.ts'
import { endsWithUs, kill } from './ends-with-us.ts'
import { GC_DIRECTORY, gcDirectory } from './gc-time.ts'

const READY_MS_MAX = 20_000
/** The smallest files that hold what a test sends. */
const SMOKE_SEGMENT_BYTES = 16 * 2 ** 20
const WARM_UP_SECONDS = 4
const QUICK_WARM_UP_SECONDS = 2

export const varveBroker: BrokerKind = {
  name: 'varve',
  warmUpSeconds: WARM_UP_SECONDS,
  quickWarmUpSeconds: QUICK_WARM_UP_SECONDS,
  start: options => startVarve([process.execPath, mainFile(), 'start'], options),
  logFile
}

/** With an eye on its garbage collection: each of its threads writes below `gcDirectory` what that took so far. */
export const varveWatched: BrokerKind = {
  ...varveBroker,
  start: options => {
    const watch = pathToFileURL(compiledCase('peers/gc-watch.ts')).href
    return startVarve([process.execPath, '--import', watch, mainFile(), 'start'], options, {
      [GC_DIRECTORY]: gcDirectory(options.directory)
    })
  }
}

const mainFile = () => join(projectRoot(), 'dist', 'src', 'cli', 'main.js')

/** The same as a user of a checkout starts it, by npm: it looks whether everything is compiled, and starts it. */
export const varveByNpm: BrokerKind = {
  name: 'npm-start',
  warmUpSeconds: WARM_UP_SECONDS,
  quickWarmUpSeconds: QUICK_WARM_UP_SECONDS,
  start: options => startVarve(['npm', 'start', '--silent', '--'], options),
  logFile
}

/** Compiles what is not compiled. Not at smoke size: tests have done so, and others of them run that very program. */
export function setUp(progress: (line: string) => void): void {
  progress('  node scripts/setup.mjs')
  execFileSync(process.execPath, [join(projectRoot(), 'scripts', 'setup.mjs')], { stdio: 'inherit' })
}

/** What it prints with --json once clients can connect. */
interface Announced {
  readonly broker: string
  readonly pid: number
}

async function startVarve(
  command: readonly string[],
  options: BrokerStart,
  env: NodeJS.ProcessEnv = {}
): Promise<BrokerProcess> {
  const { directory, flush, smoke } = options
  const settings = smoke ? { mappedFileSizeCommitLog: SMOKE_SEGMENT_BYTES } : {}
  const flags = ['--store', join(directory, 'store'), '--listen', '127.0.0.1:0', '--nameserver', 'off', '--http', 'off']
  const set = Object.entries({ flushDiskType: flush === 'sync' ? 'SYNC_FLUSH' : 'ASYNC_FLUSH', ...settings })
  const args = [...flags, ...set.flatMap(([name, value]) => ['--set', `${name}=${value}`]), '--json']
  const log = openSync(logFile(directory), 'a')
  const beganMs = performance.now()
  const [file = '', ...before] = command
  const child = spawn(file, [...before, ...args], {
    cwd: projectRoot(),
    stdio: ['ignore', 'pipe', log],
    env: { ...process.env, ...env }
  })
  closeSync(log)
  const ended = new Promise<string>(resolve => {
    child.once('error', error => resolve(error.message))
    child.once('close', (code, signal) => resolve(String(signal ?? code)))
  })
  // There is a stdout: it is a pipe.
  const { broker, pid } = await announced(child.stdout!, ended).catch((error: unknown) => {
    child.kill() // It may only be slow; npm passes it on.
    throw error
  })
  const readyMs = performance.now() - beganMs
  const forget = endsWithUs(pid)
  return {
    address: broker,
    pid,
    readyMs,
    settings: { node: process.version, ...Object.fromEntries(set) },
    async end() {
      kill(pid)
      await ended
      forget()
    },
    async stop() {
      process.kill(pid, 'SIGTERM')
      await ended
      forget()
    }
  }
}

function announced(stdout: NodeJS.ReadableStream, ended: Promise<string>): Promise<Announced> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`varve start is not ready after ${READY_MS_MAX} ms`)), READY_MS_MAX)
    void ended.then(how => {
      clearTimeout(timer)
      reject(new Error(`varve start ended with ${how}`))
    })
    let text = ''
    stdout.on('data', (chunk: Buffer) => {
      text += chunk
      const line = text.split('\n').find(line => line.startsWith('{'))
      if (line === undefined || !text.includes(`${line}\n`)) return // Half a line, or something of npm before it.
      clearTimeout(timer)
      resolve(JSON.parse(line) as Announced)
    })
  })
}

function logFile(directory: string): string {
  return join(directory, 'varve.log')
}
