/**
 * What clients of a broker know beside their plain messages: delayed messages, transactions and committed offsets. It is in
 * the memory of the checker, outside of what may fail.
 */

/** A message that must not be seen before it is due, and must be seen then. */
export interface Delayed {
  /** On the clock of this machine, which the broker shares. */
  readonly dueMs: number
  isTaken: boolean
}

export type Decision = 'commit' | 'rollback'

/** A transaction. `taken`: the half message is stored. */
export interface Deal {
  isTaken: boolean
  /** What was asked for. */
  decision: Decision | undefined
  /** The broker has said that it is so. */
  isDecided: boolean
}

/** The offsets of one queue that a group has committed. */
export interface Committed {
  /** The highest ever handed to the broker. */
  sent: number
  /** The last that it confirmed. */
  confirmed: number
  /** The last that it had confirmed when it was stopped cleanly. */
  kept: number
}

export class BrokerLedger {
  readonly delayed: Delayed[] = []
  readonly deals: Deal[] = []
  readonly committed = new Map<number, Committed>()

  committedOf(queueIndex: number): Committed {
    let committed = this.committed.get(queueIndex)
    if (committed === undefined) {
      committed = { sent: 0, confirmed: 0, kept: 0 }
      this.committed.set(queueIndex, committed)
    }
    return committed
  }

  /** The broker was stopped cleanly: what it has confirmed is saved. */
  stopped(): void {
    for (const committed of this.committed.values()) committed.kept = committed.confirmed
  }
}
