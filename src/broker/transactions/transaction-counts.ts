/** Counts of transactions, by the topic that their messages are for: how many are open, and how the others ended. */

export interface TopicCounts {
  /** Half messages that are not decided. */
  open: number
  committed: number
  rolledBack: number
  /** Given up, after too many checks or too long. */
  discarded: number
  /** How often producers were asked, and how often there was none to ask. */
  checked: number
  unasked: number
}

export type Ending = 'committed' | 'rolledBack' | 'discarded'

export class TransactionCounts {
  readonly #topics = new Map<string, TopicCounts>()

  /** The counts of the topic, the same object at each call. */
  of(topic: string): TopicCounts {
    const known = this.#topics.get(topic)
    if (known !== undefined) return known
    const made = { open: 0, committed: 0, rolledBack: 0, discarded: 0, checked: 0, unasked: 0 }
    this.#topics.set(topic, made)
    return made
  }

  ended(topic: string, ending: Ending): void {
    const counts = this.of(topic)
    counts[ending]++
    // One that was open before this process, and decided before it was counted, is no debt.
    if (counts.open > 0) counts.open--
  }

  all(): Iterable<readonly [topic: string, counts: TopicCounts]> {
    return this.#topics
  }
}
