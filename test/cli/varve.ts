/** Runs the command line as its users do: compiled, in a process of its own. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export const MAIN = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url))

export interface Run {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export function varve(...args: readonly string[]): Promise<Run> {
  return run(args, () => {})
}

/** The same, and once stdout has the word, the signal is sent. */
export function varveInterrupted(
  { word, signal }: { word: string; signal: NodeJS.Signals },
  ...args: readonly string[]
): Promise<Run> {
  let sent = false
  return run(args, (stdout, kill) => {
    if (sent || !stdout.includes(word)) return
    sent = true
    kill(signal)
  })
}

export interface RunningVarve {
  readonly pid: number
  /** The first line of stdout. Rejects if the process ends before. */
  readonly firstLine: Promise<string>
  /** The same, as JSON. */
  readonly first: Promise<Record<string, string>>
  kill(signal?: NodeJS.Signals): void
  readonly ended: Promise<Run>
}

/** A verb that goes on until it is stopped. */
export function startVarve(args: readonly string[], env: NodeJS.ProcessEnv = {}): RunningVarve {
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env }
  })
  let stdout = ''
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', text => {
    stderr += text
  })
  const ended = new Promise<Run>(resolve => child.on('close', status => resolve({ status, stdout, stderr })))
  const firstLine = new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', text => {
      stdout += text
      if (stdout.includes('\n')) resolve(stdout.split('\n', 1)[0] as string)
    })
    child.on('close', () => reject(new Error(`it ended: ${stderr}`)))
  })
  const first = firstLine.then(line => JSON.parse(line) as Record<string, string>)
  // Whoever only waits for the end does not ask for the first line.
  first.catch(() => undefined)
  return { pid: child.pid as number, firstLine, first, kill: signal => child.kill(signal), ended }
}

function run(
  args: readonly string[],
  onOutput: (stdout: string, kill: (signal: NodeJS.Signals) => void) => void
): Promise<Run> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', text => {
    stdout += text
    onOutput(stdout, signal => child.kill(signal))
  })
  child.stderr.setEncoding('utf8').on('data', text => {
    stderr += text
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', status => resolve({ status, stdout, stderr }))
  })
}

export const jsonLines = ({ stdout }: Run): Record<string, unknown>[] =>
  stdout
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line))

/** The one object that a verb prints with `--json`. */
export function jsonOf(run: Run): Record<string, unknown> {
  const [value, ...more] = jsonLines(run)
  if (value === undefined || more.length > 0) throw new Error(`expected one line of JSON, not ${run.stdout}`)
  return value
}
