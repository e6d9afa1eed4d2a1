/**
 * What the clients talk to: a name server and one broker, of Varve (both in one process) or of Apache RocketMQ (two). The
 * scenarios are the same for either; that they pass with Apache's shows that they ask for the right thing.
 *
 * A target keeps its ports and its directories when it is stopped or killed and started again, so clients find it again.
 */
import { join } from 'node:path'
import { buildApacheServers, freePorts, startApacheBroker, startApacheNameServer } from './apache-servers.mjs'
import { startVarve } from './varve-server.mjs'

const BROKER_NAME = 'broker-a'

export const TARGETS = { varve: openVarve, apache: openApache }

/** Whatever must be fetched or compiled before a target of that kind can be opened. */
export function buildTarget(kind, progress) {
  if (kind === 'apache') buildApacheServers(progress)
}

/** @param {{ home: string, settings?: Readonly<Record<string, unknown>> }} options `settings` are keys of broker.conf */
async function openVarve({ home, settings = {} }) {
  // Two below the broker's port is the one for VIP channels.
  const [nameServerPort, port] = [await freePorts(1), (await freePorts(3)) + 2]
  const start = () => startVarve({ home: join(home, 'varve'), name: BROKER_NAME, port, nameServerPort, settings })
  return target('varve', { nameServer: `127.0.0.1:${nameServerPort}`, broker: `127.0.0.1:${port}`, start })
}

async function openApache({ home, settings = {} }) {
  const nameServer = await startApacheNameServer({ home: join(home, 'name-server') })
  const port = (await freePorts(4)) + 2
  const start = () =>
    startApacheBroker({
      home: join(home, 'broker'),
      nameServer: nameServer.address,
      name: BROKER_NAME,
      port,
      settings
    })
  return target('apache', {
    nameServer: nameServer.address,
    broker: `127.0.0.1:${port}`,
    start,
    close: () => nameServer.kill()
  })
}

async function target(kind, { nameServer, broker, start, close }) {
  let running = await start().catch(async error => {
    await close?.()
    throw error
  })
  return {
    kind,
    nameServer,
    brokerName: BROKER_NAME,
    broker,
    get pid() {
      return running.pid
    },
    stop: () => running.stop(),
    kill: () => running.kill(),
    async start() {
      running = await start()
    },
    /** Whatever state it is in; nothing is expected of it any more. */
    async close() {
      await running.kill()
      await close?.()
    }
  }
}
