/** What the requests of this folder are served with. */
import type { Clock, Log } from '../../base/index.ts'
import type { Broker } from '../../broker/index.ts'
import type { Registry } from '../../metrics/index.ts'

export interface BrokerWorld {
  readonly broker: Broker
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Registry
}
