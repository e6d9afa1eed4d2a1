/** Brokers by name, with the addresses of each by id, and the clusters that they form. No topics here, and no liveness. */
import { type BrokerIdentity, type BrokerRegistration, type BrokerRoute, MASTER_ID } from './route-types.ts'

export interface BrokerEntry extends BrokerRoute {
  readonly addresses: Map<number, string>
}

export class BrokerTable {
  readonly #brokers = new Map<string, BrokerEntry>()
  readonly #clusters = new Map<string, Set<string>>()

  get count(): number {
    return this.#brokers.size
  }

  find(brokerName: string): BrokerEntry | undefined {
    return this.#brokers.get(brokerName)
  }

  /** In the order of their names. */
  brokers(): BrokerEntry[] {
    return sortedBy([...this.#brokers.values()], ({ brokerName }) => brokerName)
  }

  clusters(): [cluster: string, brokerNames: string[]][] {
    const clusters = [...this.#clusters].map(([cluster, names]): [string, string[]] => [cluster, [...names].sort()])
    return sortedBy(clusters, ([cluster]) => cluster)
  }

  brokerNamesOf(cluster: string): Iterable<string> {
    return this.#clusters.get(cluster) ?? []
  }

  /** The name and id under which an address is known in a cluster. */
  findByAddress(cluster: string, address: string): BrokerIdentity | undefined {
    for (const entry of this.#brokers.values()) {
      if (entry.cluster !== cluster) continue
      for (const [brokerId, known] of entry.addresses) {
        if (known === address) return { cluster, brokerName: entry.brokerName, brokerId, address }
      }
    }
    return undefined
  }

  /** Takes the address in under its id, and out under any other. */
  register(registration: BrokerRegistration): BrokerEntry {
    const { cluster, brokerName, brokerId, address, enableActingMaster, zoneName } = registration
    const entry: BrokerEntry = {
      brokerName,
      // The first to come names the cluster, as in Apache's table.
      cluster: this.find(brokerName)?.cluster ?? cluster,
      enableActingMaster: enableActingMaster ?? false,
      zoneName,
      addresses: this.find(brokerName)?.addresses ?? new Map()
    }
    this.#brokers.set(brokerName, entry)
    const names = this.#clusters.get(cluster) ?? new Set()
    this.#clusters.set(cluster, names.add(brokerName))

    for (const [id, known] of entry.addresses) {
      if (known === address && id !== brokerId) entry.addresses.delete(id)
    }
    entry.addresses.set(brokerId, address)
    return entry
  }

  /** False if the broker is still there under other addresses, or was not there at all. */
  remove({ cluster, brokerName, address }: BrokerIdentity): boolean {
    const entry = this.find(brokerName)
    if (entry === undefined) return false
    for (const [id, known] of entry.addresses) if (known === address) entry.addresses.delete(id)
    if (entry.addresses.size > 0) return false
    this.#brokers.delete(brokerName)
    const names = this.#clusters.get(cluster)
    names?.delete(brokerName)
    if (names?.size === 0) this.#clusters.delete(cluster)
    return true
  }
}

export const hasMaster = ({ addresses }: BrokerRoute): boolean => addresses.has(MASTER_ID)

/** The smallest id is the one that stands in for a missing master. */
export const smallestIdOf = ({ addresses }: BrokerRoute): number => Math.min(...addresses.keys())

function sortedBy<Item>(items: Item[], keyOf: (item: Item) => string): Item[] {
  return items.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
}
