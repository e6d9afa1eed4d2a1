/** Addresses of the two ends of a socket, as the rest of Varve writes them. */
import type { Socket } from 'node:net'
import type { HostAddress } from '../../model/index.ts'

/** Sockets that listen on both report an IPv4 peer in IPv6 form. */
const IPV4_IN_IPV6 = '::ffff:'

export function hostAddress(address: string, port: number): HostAddress {
  const isMapped = address.startsWith(IPV4_IN_IPV6) && address.includes('.')
  return { address: isMapped ? address.slice(IPV4_IN_IPV6.length) : address, port }
}

/** Undefined if the peer has gone already: a socket that is not connected has no addresses. */
export function addressesOf(socket: Socket): { remote: HostAddress; local: HostAddress } | undefined {
  const { remoteAddress, remotePort, localAddress, localPort } = socket
  if (remoteAddress === undefined || remotePort === undefined) return undefined
  if (localAddress === undefined || localPort === undefined) return undefined
  return { remote: hostAddress(remoteAddress, remotePort), local: hostAddress(localAddress, localPort) }
}
