/**
 * Which brokers have been heard of lately, and over which connection.
 *
 * Invariants:
 * - a broker is one address in one cluster; whoever registers again under both replaces what was known
 * - a connection counts for the brokers that registered over it last
 */
import type { DataVersion } from './route-types.ts'

export interface LiveBroker<Link> {
  readonly cluster: string
  readonly address: string
  readonly version: DataVersion
  readonly haAddress: string
  readonly timeoutMs: number
  /** Undefined for a broker of this process. */
  readonly link: Link | undefined
  heardAtMs: number
}

export class LiveBrokers<Link> {
  readonly #brokers = new Map<string, LiveBroker<Link>>()

  find(cluster: string, address: string): LiveBroker<Link> | undefined {
    return this.#brokers.get(keyOf(cluster, address))
  }

  set(broker: LiveBroker<Link>): void {
    this.#brokers.set(keyOf(broker.cluster, broker.address), broker)
  }

  remove(cluster: string, address: string): void {
    this.#brokers.delete(keyOf(cluster, address))
  }

  ofLink(link: Link): LiveBroker<Link>[] {
    return [...this.#brokers.values()].filter(broker => broker.link === link)
  }

  silentAt(nowMs: number): LiveBroker<Link>[] {
    return [...this.#brokers.values()].filter(({ heardAtMs, timeoutMs }) => heardAtMs + timeoutMs < nowMs)
  }
}

const keyOf = (cluster: string, address: string) => `${cluster.length}:${cluster}${address}`
