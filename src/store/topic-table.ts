/**
 * Topic table: from the bytes of a topic, as they lie in a record, to its queues, without making a string.
 *
 * For the dispatcher, which meets millions of records a second. Most records follow one of the same topic, so the last
 * topic is compared first.
 */
import type { StagedQueue } from './queue-stage.ts'

export interface DispatchTopic {
  readonly name: string
  readonly bytes: Uint8Array
  readonly queues: StagedQueue[]
}

const SLOTS_INITIAL = 1024

export class TopicTable {
  #slots: (DispatchTopic | undefined)[] = new Array<DispatchTopic | undefined>(SLOTS_INITIAL).fill(undefined)
  #count = 0
  #last: DispatchTopic | undefined

  find(bytes: Uint8Array, from: number, length: number): DispatchTopic | undefined {
    const last = this.#last
    if (last !== undefined && sameBytes(last.bytes, bytes, from, length)) return last
    const mask = this.#slots.length - 1
    for (let slot = hashOf(bytes, from, length) & mask; ; slot = (slot + 1) & mask) {
      const topic = this.#slots[slot]
      if (topic === undefined) return undefined
      if (sameBytes(topic.bytes, bytes, from, length)) {
        this.#last = topic
        return topic
      }
    }
  }

  /** The topic of this name, made if need be. */
  open(name: string): DispatchTopic {
    const bytes = new TextEncoder().encode(name)
    const known = this.find(bytes, 0, bytes.length)
    if (known !== undefined) return known
    const topic: DispatchTopic = { name, bytes, queues: [] }
    if ((this.#count + 1) * 2 > this.#slots.length) this.#grow()
    this.#place(topic)
    this.#count++
    return topic
  }

  delete(name: string): DispatchTopic | undefined {
    const bytes = new TextEncoder().encode(name)
    const topic = this.find(bytes, 0, bytes.length)
    if (topic === undefined) return undefined
    const kept = this.#slots.filter(other => other !== undefined && other !== topic)
    this.#slots.fill(undefined)
    for (const other of kept) this.#place(other as DispatchTopic) // Filtered: none is undefined.
    this.#count--
    this.#last = undefined
    return topic
  }

  *all(): Iterable<DispatchTopic> {
    for (const topic of this.#slots) if (topic !== undefined) yield topic
  }

  #place(topic: DispatchTopic): void {
    const mask = this.#slots.length - 1
    let slot = hashOf(topic.bytes, 0, topic.bytes.length) & mask
    while (this.#slots[slot] !== undefined) slot = (slot + 1) & mask
    this.#slots[slot] = topic
  }

  #grow(): void {
    const topics = this.#slots
    this.#slots = new Array<DispatchTopic | undefined>(topics.length * 2).fill(undefined)
    for (const topic of topics) if (topic !== undefined) this.#place(topic)
  }
}

function sameBytes(known: Uint8Array, bytes: Uint8Array, from: number, length: number): boolean {
  if (known.length !== length) return false
  for (let i = 0; i < length; i++) if (known[i] !== bytes[from + i]) return false
  return true
}

/** FNV-1a. */
function hashOf(bytes: Uint8Array, from: number, length: number): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < length; i++) hash = Math.imul(hash ^ (bytes[from + i] as number), 0x01000193) // In range by the caller.
  return hash >>> 0
}
