/**
 * Endpoints: where this process listens and what it tells others, as the configuration has it.
 *
 * Invariant: without `varveInsecure` everything listens on loopback alone.
 */
import { isIP } from 'node:net'
import { hostname, networkInterfaces } from 'node:os'
import { VarveError } from '../base/index.ts'
import type { BrokerConfig } from '../broker/index.ts'
import type { HostAddress } from '../model/index.ts'
import { addressText } from '../nameserver/index.ts'
import { parseAddress, parseNameServers } from './registration.ts'

export interface Endpoint {
  readonly host: string
  /** 0 for any that is free. */
  readonly port: number
}

export interface Endpoints {
  readonly broker: Endpoint
  readonly nameServer: Endpoint | undefined
  readonly http: Endpoint | undefined
  /** Other name servers to register with. */
  readonly nameServersElsewhere: readonly HostAddress[]
  /** What clients are told; undefined lets each keep the address that it dialled. */
  readonly advertised: { readonly host: string; readonly port: number | undefined } | undefined
  /** Reachable by other machines, as HOST:PORT. */
  readonly exposed: readonly string[]
}

const HOST_DEFAULT = '127.0.0.1'
const NAME_SERVER_PORT = 9876
/** Where the Java broker has its metrics. */
const HTTP_PORT = 5557
const OFF = 'off'

/** @throws VarveError CONFIG_INVALID, ADDRESS_INSECURE */
export function endpointsOf(config: BrokerConfig): Endpoints {
  const broker = { host: config.bindAddress === '' ? HOST_DEFAULT : config.bindAddress, port: config.listenPort }
  const nameServersElsewhere = parseNameServers(config.namesrvAddr)
  // Whoever registers elsewhere needs none here; without a broker nobody does.
  const isNeeded = nameServersElsewhere.length === 0 || !config.varveBroker
  const nameServer =
    config.varveNameServer === '' && isNeeded
      ? { host: broker.host, port: NAME_SERVER_PORT }
      : optionalEndpoint('varveNameServer', config.varveNameServer, NAME_SERVER_PORT)
  const http = optionalEndpoint('varveHttp', config.varveHttp, HTTP_PORT)
  const listening = [config.varveBroker ? broker : undefined, nameServer, http]
  const exposed = listening.filter(endpoint => endpoint !== undefined && !isLoopback(endpoint.host))
  const exposedTexts = exposed.map(endpoint => endpointText(endpoint as Endpoint)) // The filter keeps those that are.
  if (exposedTexts.length > 0 && !config.varveInsecure)
    throw new VarveError('ADDRESS_INSECURE', { addresses: exposedTexts.join(', ') })
  return { broker, nameServer, http, nameServersElsewhere, advertised: advertisedOf(config), exposed: exposedTexts }
}

/** `HOST` or `HOST:PORT`, an IPv6 address in brackets; port 0 for any that is free. @throws VarveError CONFIG_INVALID */
export function parseEndpoint(key: string, text: string, portOtherwise: number): Endpoint {
  const { address, port } = parseAddress(text.trim(), portOtherwise, key, 0)
  return { host: address, port }
}

export const endpointText = ({ host, port }: Endpoint): string => addressText({ address: host, port })

/** What a broker is called that nobody has named: as its host, in letters that names of brokers may have. */
export const brokerNameHere = (): string => hostname().replace(/[^\w-]/g, '-')

/** Written into each message and its id, by which tools find the broker: an IP address, even if others are told a name. */
export function storeHostOf({ broker, advertised }: Endpoints, port: number): HostAddress {
  const own = { address: reachable(broker.host), port }
  if (advertised === undefined || isIP(advertised.host) === 0) return own
  return { address: advertised.host, port: advertised.port ?? port }
}

/** Of a host that means all addresses, the first that other machines could know. */
function reachable(host: string): string {
  if (isIP(host) !== 0 && host !== '0.0.0.0' && host !== '::') return host
  if (host === 'localhost') return HOST_DEFAULT
  const addresses = Object.values(networkInterfaces()).flatMap(list => list ?? [])
  return addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? HOST_DEFAULT
}

function optionalEndpoint(key: string, text: string, portOtherwise: number): Endpoint | undefined {
  return text === '' || text.toLowerCase() === OFF ? undefined : parseEndpoint(key, text, portOtherwise)
}

function advertisedOf({ brokerIP1, varveAdvertisedPort }: BrokerConfig): Endpoints['advertised'] {
  if (brokerIP1 !== '' && !isHost(brokerIP1))
    throw new VarveError('CONFIG_INVALID', {
      key: 'brokerIP1',
      value: brokerIP1,
      reason: 'neither an address nor a name'
    })
  if (brokerIP1 !== '') return { host: brokerIP1, port: varveAdvertisedPort === 0 ? undefined : varveAdvertisedPort }
  if (varveAdvertisedPort === 0) return undefined
  throw new VarveError('CONFIG_INVALID', { key: 'varveAdvertisedPort', reason: 'it needs brokerIP1' })
}

const isHost = (text: string): boolean => isIP(text) !== 0 || /^[\w-]+(\.[\w-]+)*\.?$/.test(text)

/** Which no other machine reaches. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
