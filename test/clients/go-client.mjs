/** The Go client of RocketMQ, compiled (go/). */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const project = fileURLToPath(new URL('go/', import.meta.url))
const program = join(project, 'target', 'clients')

/** Go itself knows what has changed. */
export function buildGoClient(progress = () => {}) {
  progress('building the Go client')
  const { status, error } = spawnSync('go', ['build', '-o', program, '.'], {
    cwd: project,
    stdio: ['ignore', 'ignore', 'inherit']
  })
  if (error !== undefined) throw new Error('Go 1.21 or later is needed, and `go` cannot be run', { cause: error })
  if (status !== 0) throw new Error('the Go client does not compile')
}

/** What the client writes of its own goes to `home`. */
export function goClient({ home }) {
  return { command: program, args: [], cwd: home, env: { HOME: home } }
}
