/** What delivery of delayed and of timed messages needs of the broker, and whom it tells. */
import type { Clock, Log } from '../../base/index.ts'
import type { HostAddress } from '../../model/index.ts'
import type { Store } from '../../store/index.ts'
import type { Appending } from '../appending.ts'
import type { Alarm } from '../deadlines.ts'
import type { Losses } from './losses.ts'

/** Told of each message that was delivered, under its topic. */
export interface Deliveries {
  delivered(topic: string, queueId: number, sizeBytes: number, lateMs: number): void
}

export interface DeliveryWorld {
  readonly store: Store
  readonly appending: Pick<Appending, 'append'>
  readonly storeHost: HostAddress
  readonly deliveries: Deliveries
  readonly losses: Losses
  readonly clock: Clock
  readonly alarm: Alarm
  /** Calls back once everything that has arrived is served. */
  readonly defer: (run: () => void) => void
  readonly log: Log
}
