/**
 * A word in the log when a client seems to come through the port mapping of a container: then the address that it is
 * answered, this end of its connection, is one inside the container, and it will not get through to the broker.
 *
 * The mark of it is a peer that is this host's own default gateway: a container's engine forwards mapped ports from there.
 * It can be mistaken (a router may ask routes for itself), so it is a hint, once for each gateway, and changes nothing.
 * Clients whose address the mapping keeps cannot be told from clients of the network; nothing is said of them.
 */
import { readFileSync } from 'node:fs'
import { errnoOf, type Log } from '../base/index.ts'
import type { HostAddress } from '../model/index.ts'
import { addressText } from './local-addresses.ts'

const ROUTES_FILE = '/proc/net/route'

/** Columns of that file. */
const DESTINATION = 1
const GATEWAY = 2

export class GatewayHint {
  readonly #log: Log
  readonly #untold: Set<string>

  constructor(gateways: Iterable<string>, log: Log) {
    this.#untold = new Set(gateways)
    this.#log = log
  }

  /** A client was told that a broker of this process is at `answered`. */
  answered(client: HostAddress, answered: string): void {
    if (!this.#untold.delete(client.address)) return
    this.#log.warn('a client seems to come through the port mapping of a container and may not reach the broker', {
      client: addressText(client),
      answered,
      hint: 'start with --advertise HOST[:PORT] (brokerIP1), the address under which clients reach this machine'
    })
  }
}

/** Of this machine, by IPv4; none where the system does not tell (other systems than Linux). */
export function defaultGateways(): string[] {
  try {
    return gatewaysIn(readFileSync(ROUTES_FILE, 'latin1'))
  } catch (error) {
    if (errnoOf(error) === 'unknown') throw error
    return []
  }
}

/** The table of routes as Linux prints it: addresses as hexadecimal numbers, lowest byte first. */
export function gatewaysIn(routes: string): string[] {
  return routes.split('\n').flatMap(line => {
    const columns = line.split('\t')
    const gateway = columns[GATEWAY] ?? ''
    if (columns[DESTINATION] !== '00000000' || gateway.length !== 8 || gateway === '00000000') return []
    const bytes = [6, 4, 2, 0].map(at => Number.parseInt(gateway.slice(at, at + 2), 16))
    return bytes.some(Number.isNaN) ? [] : [bytes.join('.')]
  })
}
