/**
 * Processes that the suite starts. None outlives it: whatever ends the suite, short of kill -9, ends them.
 */
import { spawn } from 'node:child_process'

const alive = new Set()

process.once('exit', () => {
  for (const child of alive) child.kill('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1))

/** As `spawn`, with all three streams as pipes. */
export function startChild(command, args, { cwd, env = {} } = {}) {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], cwd, env: { ...process.env, ...env } })
  alive.add(child)
  child.once('close', () => alive.delete(child))
  child.once('error', () => alive.delete(child))
  return child
}
