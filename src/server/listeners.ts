/**
 * The broker's two ports: `listenPort`, and the one two below it, which clients with a "VIP channel" dial without being
 * told. Both take the same requests. Also what any port is opened with.
 */
import { type Clock, type Log, secondMs, VarveError } from '../base/index.ts'
import type { Configuration } from '../broker/index.ts'
import {
  type ListenOptions,
  listenRemoting,
  type RemotingListener,
  type ReservedPort,
  reservePort
} from '../protocol/index.ts'
import type { Endpoint } from './endpoints.ts'

/** So far below the broker's port. */
const VIP_DISTANCE = 2
/** How often another free port is tried, when the one two below it is taken. */
const TRIES_MAX = 20

/** What each port of the process has in common. */
export function listening(world: {
  readonly configuration: Configuration
  readonly clock: Clock
  readonly log: Log
}): Pick<ListenOptions, 'connectionsMax' | 'limits' | 'clock' | 'log'> {
  const { configuration, clock, log } = world
  const { varveConnectionsMax, serverChannelMaxIdleTimeSeconds } = configuration.values
  const limits = { idleMs: serverChannelMaxIdleTimeSeconds * secondMs }
  return { connectionsMax: varveConnectionsMax, limits, clock, log }
}

export interface BrokerListeners {
  readonly main: RemotingListener
  /** None where it is switched off, or there is no port so far below. */
  readonly vip: RemotingListener | undefined
}

/** The ports of a broker that is still to come. */
export interface ClientPorts {
  readonly port: number
  listen(options: Omit<ListenOptions, 'host' | 'port'>): Promise<BrokerListeners>
  release(): void
}

/**
 * Sees to it that a port which is taken is heard of before a store is recovered for minutes. A port that was named is
 * not held meanwhile: whoever waits for it to open may take an open port for a broker that is ready. A free one, whose
 * number nobody knows yet, is.
 * @throws VarveError PORT_TAKEN, ADDRESS_UNUSABLE
 */
export async function portsForClients({ host, port }: Endpoint, hasVip: boolean): Promise<ClientPorts> {
  if (port === 0) return freePorts(host, hasVip)
  await checkFree({ host, port })
  await vipOf(port, hasVip, vip => checkFree({ host, port: vip }))
  return { port, listen: options => listenOn({ ...options, host, port }, hasVip), release: () => {} }
}

/** @throws VarveError PORT_TAKEN, ADDRESS_UNUSABLE */
export async function checkFree({ host, port }: Endpoint): Promise<void> {
  if (port !== 0) await closed(await reservePort({ host, port }))
}

async function freePorts(host: string, hasVip: boolean): Promise<ClientPorts> {
  for (let tries = 1; ; tries++) {
    const main = await reservePort({ host, port: 0 })
    try {
      const vip = await vipOf(main.port, hasVip, port => reservePort({ host, port }))
      return {
        port: main.port,
        listen: options => listenOn({ ...options, host, port: main.port, reserved: main }, hasVip, vip),
        release() {
          main.release()
          vip?.release()
        }
      }
    } catch (error) {
      await closed(main)
      if (tries >= TRIES_MAX) throw error
    }
  }
}

async function listenOn(options: ListenOptions, hasVip: boolean, reservedVip?: ReservedPort): Promise<BrokerListeners> {
  const main = await listenRemoting(options)
  try {
    const vip = await vipOf(options.port, hasVip, port => listenRemoting({ ...options, port, reserved: reservedVip }))
    return { main, vip }
  } catch (error) {
    await main.close({ drainMs: 0 })
    throw error
  }
}

/** Nobody has named this port, so an error says what it is wanted for. */
async function vipOf<Result>(
  port: number,
  hasVip: boolean,
  take: (vipPort: number) => Promise<Result>
): Promise<Result | undefined> {
  const vipPort = port - VIP_DISTANCE
  if (!hasVip || vipPort <= 0) return undefined
  try {
    return await take(vipPort)
  } catch (error) {
    if (!(error instanceof VarveError)) throw error
    throw new VarveError(error.code, { ...error.details, wantedFor: `VIP channel of ${port}` }, { cause: error })
  }
}

const closed = ({ server }: ReservedPort): Promise<void> => new Promise(resolve => server.close(() => resolve()))
