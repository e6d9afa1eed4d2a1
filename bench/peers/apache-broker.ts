/**
 * Apache RocketMQ's broker, with its name server beside it, as a contender (started by test/clients/apache-servers.mjs,
 * which is also what the client suite runs).
 *
 * Settings are its defaults but for the flush that is measured; `transientStorePoolEnable` would be faster under
 * write-back and loses acknowledged messages when the process is killed. The JVM runs as Apache's start script runs it,
 * with a heap for this machine. Its CPU is that of the broker's process alone, JIT and garbage collection included, and
 * it has longer to warm up than ours, for the JIT's sake.
 */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { projectRoot } from '../project.ts'
import { APACHE_JVM_FLAGS, whyNoApache } from './apache.ts'
import type { BrokerKind } from './broker.ts'
import { endsWithUs } from './ends-with-us.ts'

const VERSION = '5.5.0'
/** Of the broker, below the directory of the run. */
const HOME = 'broker'

/** What of test/clients/apache-servers.mjs is used here. */
interface ApacheServers {
  buildApacheServers(progress?: (line: string) => void): void
  startApacheNameServer(options: { home: string }): Promise<ApacheServer>
  startApacheBroker(options: {
    home: string
    nameServer: string
    port?: number
    jvmFlags: readonly string[]
    settings: Readonly<Record<string, string | number | boolean>>
  }): Promise<ApacheServer>
}

interface ApacheServer {
  readonly address: string
  readonly pid: number
  kill(): Promise<void>
}

export const apacheBroker: BrokerKind = {
  name: 'apache',
  isPeer: true,
  isSlow: true,
  whyNot: whyNoApache,
  warmUpSeconds: 15,
  quickWarmUpSeconds: 10,
  async start({ directory, flush }) {
    const servers = await loadApacheServers()
    servers.buildApacheServers()
    const nameServer = ending(await servers.startApacheNameServer({ home: join(directory, 'name-server') }))
    const settings = { flushDiskType: flush === 'sync' ? 'SYNC_FLUSH' : 'ASYNC_FLUSH' }
    const beganMs = performance.now()
    try {
      const broker = ending(
        await servers.startApacheBroker({
          home: join(directory, HOME),
          nameServer: nameServer.address,
          jvmFlags: APACHE_JVM_FLAGS,
          settings
        })
      )
      return {
        address: broker.address,
        pid: broker.pid,
        readyMs: performance.now() - beganMs,
        settings: { version: VERSION, ...settings, jvm: APACHE_JVM_FLAGS.join(' ') },
        async end() {
          await broker.end()
          await nameServer.end()
        }
      }
    } catch (error) {
      await nameServer.end()
      throw error
    }
  },
  logFile: directory => join(directory, HOME, 'broker.out')
}

/** Ended by whoever comes first: its user, or the end of this process. */
function ending({ address, pid, kill }: ApacheServer) {
  const forget = endsWithUs(pid)
  return {
    address,
    pid,
    async end() {
      await kill()
      forget()
    }
  }
}

/** Loaded by address, because it is not compiled: benchmarks run from dist-bench/, it stays where it is. */
async function loadApacheServers(): Promise<ApacheServers> {
  const path = join(projectRoot(), 'test', 'clients', 'apache-servers.mjs')
  return (await import(pathToFileURL(path).href)) as ApacheServers // As declared above.
}
