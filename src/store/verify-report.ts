/**
 * What verification finds: places that are wrong, as plain data that crosses threads and prints as JSON.
 *
 * Neighbouring places with the same problem are one entry with a count, and a list has a limit: an index that is missing
 * altogether must not make a report of a hundred million lines.
 */

export type DamageKind =
  | 'log'
  | 'record'
  | 'seal'
  | 'segment-file'
  | 'queue-file'
  | 'queue-entry'
  | 'index-file'
  | 'index'

export interface Damage {
  readonly kind: DamageKind
  readonly problem: string
  /** How many records, entries or items side by side have the problem. */
  readonly count: number
  /** Whether building queues and index anew from the log mends it. */
  readonly derived: boolean
  readonly path?: string
  /** Range of the log. */
  readonly from?: number
  readonly until?: number
  readonly topic?: string
  readonly queueId?: number
  /** Of the first, if there are several. */
  readonly queueOffset?: number
}

export interface DamageFound {
  readonly listed: readonly Damage[]
  /** All, also those that are not listed. */
  readonly count: number
}

const LISTED_MAX = 1000

export class DamageList {
  readonly #listed: Damage[] = []
  #count = 0

  get count(): number {
    return this.#count
  }

  add(damage: Omit<Damage, 'count'> & { readonly count?: number }): void {
    const count = damage.count ?? 1
    this.#count += count
    const last = this.#listed.at(-1)
    if (last !== undefined && isNext(last, damage)) {
      const until = damage.until === undefined ? {} : { until: damage.until }
      this.#listed[this.#listed.length - 1] = { ...last, ...until, count: last.count + count }
    } else if (this.#listed.length < LISTED_MAX) {
      this.#listed.push({ ...damage, count })
    }
  }

  addAll({ listed, count }: DamageFound): void {
    for (const damage of listed) this.add(damage)
    this.#count += count - listed.reduce((sum, damage) => sum + damage.count, 0)
  }

  found(): DamageFound {
    return { listed: this.#listed, count: this.#count }
  }
}

/** The same problem, in the next message of the queue or further on in the index. */
function isNext(last: Damage, next: Omit<Damage, 'count'>): boolean {
  if (last.kind !== next.kind || last.problem !== next.problem || last.path !== next.path) return false
  if (next.kind === 'index') return true
  return (
    next.kind === 'queue-entry' &&
    last.topic === next.topic &&
    last.queueId === next.queueId &&
    last.queueOffset !== undefined &&
    last.queueOffset + last.count === next.queueOffset
  )
}
