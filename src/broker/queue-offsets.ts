/**
 * The offsets of one group in one topic: by queue, what it has committed, what it has pulled, and where a reset sends it.
 *
 * Not here: which groups and topics there are, and the file (offsets.ts).
 */

/** No topic has it in its name; a group that broadcasts through a proxy does. */
export const TOPIC_END = '@'

export class QueueOffsets {
  readonly topic: string
  readonly group: string
  /** The next offset to consume, by queue. */
  readonly #committed = new Map<number, number>()
  /** The newest offset that a pull asked for. Lost at a restart. */
  #pulled: Map<number, number> | undefined
  /** Where the next pull starts whatever the client thinks. Lost at a restart; `#committed` has the same value. */
  #resets: Map<number, number> | undefined
  /** The text of `#committed` in the file, until it changes. */
  #text: string | undefined

  constructor(topic: string, group: string) {
    this.topic = topic
    this.group = group
  }

  /** Under which files and slaves know it. */
  get key(): string {
    return `${this.topic}${TOPIC_END}${this.group}`
  }

  get isEmpty(): boolean {
    return this.#committed.size === 0
  }

  committed(queueId: number): number | undefined {
    return this.#committed.get(queueId)
  }

  allCommitted(): ReadonlyMap<number, number> {
    return this.#committed
  }

  /** The offset that was there before. */
  commit(queueId: number, offset: number): number | undefined {
    const before = this.#committed.get(queueId)
    if (before === offset) return before
    this.#committed.set(queueId, offset)
    this.#text = undefined
    return before
  }

  pulled(queueId: number): number | undefined {
    return this.#pulled?.get(queueId)
  }

  setPulled(queueId: number, offset: number): void {
    this.#pulled ??= new Map()
    this.#pulled.set(queueId, offset)
  }

  pendingReset(queueId: number): number | undefined {
    return this.#resets?.get(queueId)
  }

  reset(queueId: number, offset: number): void {
    this.#resets ??= new Map()
    this.#resets.set(queueId, offset)
    this.commit(queueId, offset)
  }

  /** The pending reset, which is thereby done. */
  takeReset(queueId: number): number | undefined {
    const offset = this.#resets?.get(queueId)
    if (offset === undefined) return undefined
    this.#resets?.delete(queueId)
    if (this.#resets?.size === 0) this.#resets = undefined
    return offset
  }

  /** `"topic@group":{"0":250,"1":249}` as pretty JSON inside two brackets. */
  text(): string {
    this.#text ??= this.#print()
    return this.#text
  }

  get hasText(): boolean {
    return this.#text !== undefined
  }

  #print(): string {
    const members = [...this.#committed]
      .sort(([a], [b]) => a - b)
      .map(([queueId, offset]) => `\t\t\t"${queueId}":${offset}`)
    return `\t\t${JSON.stringify(this.key)}:{\n${members.join(',\n')}\n\t\t}`
  }
}
