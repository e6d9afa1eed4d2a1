/** The Node.js client of RocketMQ, ali-ons, with what it needs in a folder of its own (node/). */
import { execFileSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const project = fileURLToPath(new URL('node/', import.meta.url))

/** Installs unless that has been done since the lock file last changed. */
export function buildNodeClient(progress = () => {}) {
  // npm writes it last.
  const installed = join(project, 'node_modules', '.package-lock.json')
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(join(project, 'package-lock.json')).mtimeMs)
    return
  progress('installing the Node.js client')
  execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: project, stdio: 'ignore' })
}

/** What the client writes of its own goes to `home`. */
export function nodeClient({ home }) {
  return { command: process.execPath, args: [join(project, 'main.mjs')], cwd: home, env: { HOME: home } }
}
