/**
 * Where brokers of this process are, seen from whoever asks: at the end of the connection over which it asked, for that
 * address reached this process once. So one broker serves clients on the same machine, in the network and behind a tunnel
 * without a setting. In the table such an address stands as a name that no broker of another process can have.
 *
 * Not here: a configured address (`--advertise`, brokerIP1), which stands in the table like any other.
 */
import type { HostAddress } from '../model/index.ts'

/** A blank, which no host name has. */
const PREFIX = 'this process '

export class LocalAddresses {
  readonly #ports: number[] = []

  /** A name for the port, to stand in the table. */
  add(port: number): string {
    this.#ports.push(port)
    return PREFIX + String(this.#ports.length - 1)
  }

  isLocal(address: string): boolean {
    return address.startsWith(PREFIX)
  }

  /** What a client is told whose connection ends here at `end`. */
  resolve(address: string, end: HostAddress): string {
    if (!this.isLocal(address)) return address
    const port = this.#ports[Number(address.slice(PREFIX.length))]
    return port === undefined ? address : addressText({ address: end.address, port })
  }
}

/** As clients split it: at the last colon, so that an IPv6 address needs its brackets for those in other languages. */
export function addressText({ address, port }: HostAddress): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
