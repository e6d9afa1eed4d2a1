/**
 * `varve start` as a process of its own: broker and name server, or a broker that registers elsewhere. It is ready when
 * it says so. What it logs is kept beside its store.
 */
import { createWriteStream, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { startChild } from './children.mjs'

const command = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url))

/** The promise is 10 s; a machine that is busy with clients gets more before it counts as a failure. */
const STOP_MS_MAX = 20_000
const LOG_CHARACTERS_SHOWN = 2000

/**
 * @param {{
 *   home: string, name: string, port?: number, nameServer?: string, nameServerPort?: number | 'off',
 *   settings?: Readonly<Record<string, unknown>>
 * }} options `nameServer`: where it registers; without one, it has its own
 */
export async function startVarve({ home, name, port = 0, nameServer, nameServerPort = 0, settings = {} }) {
  mkdirSync(home, { recursive: true })
  const file = join(home, 'broker.conf')
  const all = {
    brokerName: name,
    enablePropertyFilter: true,
    ...(nameServer && { namesrvAddr: nameServer }),
    ...settings
  }
  writeFileSync(
    file,
    Object.entries(all)
      .map(([key, value]) => `${key}=${value}\n`)
      .join('')
  )
  const log = join(home, 'varve.log')
  const child = startChild(process.execPath, [
    ...[command, 'start', '--json', '--http', 'off', '-c', file, '--store', join(home, 'store')],
    ...['--listen', `127.0.0.1:${port}`],
    ...['--nameserver', nameServer !== undefined || nameServerPort === 'off' ? 'off' : `127.0.0.1:${nameServerPort}`]
  ])
  child.stdin.end()
  child.stderr.pipe(createWriteStream(log, { flags: 'a' }))
  const ended = new Promise(resolve => child.once('close', (code, signal) => resolve(signal ?? code)))
  const said = () => readFileSync(log, 'utf8').slice(-LOG_CHARACTERS_SHOWN)
  const addresses = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', line => resolve(JSON.parse(line)))
    void ended.then(end => reject(new Error(`varve start ended with ${end}: ${said()}`)))
  })
  return {
    pid: child.pid,
    name,
    address: addresses.broker,
    nameServer: nameServer ?? addresses.nameServer,
    recovery: addresses.recovery,
    ended,
    async stop() {
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX)
      const end = await ended
      clearTimeout(timer)
      if (end !== 0) throw new Error(`varve did not stop cleanly but ended with ${end}: ${said()}`)
    },
    async kill() {
      child.kill('SIGKILL')
      await ended
    }
  }
}
