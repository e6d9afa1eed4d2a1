/**
 * The ledger: what a producer meant to append and what it was told, kept outside of what may fail.
 *
 * Messages have consecutive numbers and are appended in their order. For each the ledger knows one of these:
 *
 * | state | the producer | afterwards the message |
 * |---|---|---|
 * | intended | was about to append it, or had begun to | may be there |
 * | appended | has got its place | is there after the end of the process, and as a suffix may go with the power |
 * | flushed | was told that it is on disk | is there, whatever happens |
 * | unsure | had begun to before an earlier crash, and nobody looked since | may be there |
 * | gone | was refused, or a checker did not find it | is never there again |
 *
 * Not here: comparing with a store (oracle.ts), the ledger of another process (journal.ts).
 */
import { assert } from '../../src/base/index.ts'
import type { Appended, MessageInput } from '../../src/index.ts'
import { type Body, messageOf } from './messages.ts'

/** What a producer tells, as it happens. */
export interface Recorder {
  /** Before the append of `count` messages for one queue; `together` if it is one batch. */
  intend(firstId: number, count: number, queueIndex: number, together: boolean): void
  /** The append of the messages from `firstId` on has returned. */
  appended(firstId: number, count: number, place: Pick<Appended, 'queueOffset' | 'physicalOffset'>): void
  /** Everything appended below the position is on disk. */
  flushed(until: number): void
  refused(firstId: number, count: number): void
}

/** A defect: says of what was just appended that it is on disk. */
export function acknowledgingTooEarly(recorder: Recorder): Recorder {
  return {
    intend: (...said) => recorder.intend(...said),
    refused: (...said) => recorder.refused(...said),
    flushed: until => recorder.flushed(until),
    appended(firstId, count, place) {
      recorder.appended(firstId, count, place)
      recorder.flushed(place.physicalOffset + 1)
    }
  }
}

export type EntryState = 'intended' | 'appended' | 'flushed' | 'unsure' | 'gone'

export interface Entry {
  readonly id: number
  readonly queueIndex: number
  /** Number of the first message of the batch that it belongs to; its own if it was appended alone. */
  readonly batch: number
  state: EntryState
  queueOffset: number | undefined
  /** Of a batch, only the first has one until somebody has looked. */
  physicalOffset: number | undefined
}

export class Ledger implements Recorder {
  readonly seed: number
  readonly body: Body
  #entries: Entry[] = []

  constructor(seed: number, body: Body) {
    this.seed = seed
    this.body = body
  }

  /** As it is now; what happens later does not show. */
  copy(): Ledger {
    const copy = new Ledger(this.seed, this.body)
    copy.#entries = this.#entries.map(entry => ({ ...entry }))
    return copy
  }

  get nextId(): number {
    return this.#entries.length
  }

  get entries(): readonly Entry[] {
    return this.#entries
  }

  find(id: number): Entry | undefined {
    return this.#entries[id]
  }

  message(id: number): MessageInput {
    return messageOf(this.seed, id, this.#entry(id).queueIndex, this.body)
  }

  intend(firstId: number, count: number, queueIndex: number, together: boolean): void {
    assert(firstId === this.#entries.length, 'messages are intended in the order of their numbers')
    for (let id = firstId; id < firstId + count; id++) {
      const batch = together ? firstId : id
      this.#entries.push({
        id,
        queueIndex,
        batch,
        state: 'intended',
        queueOffset: undefined,
        physicalOffset: undefined
      })
    }
  }

  appended(firstId: number, count: number, place: Pick<Appended, 'queueOffset' | 'physicalOffset'>): void {
    for (let i = 0; i < count; i++) {
      const entry = this.#entry(firstId + i)
      assert(entry.state === 'intended', 'a message is appended once')
      entry.state = 'appended'
      entry.queueOffset = place.queueOffset + i
      if (i === 0) entry.physicalOffset = place.physicalOffset
    }
  }

  flushed(until: number): void {
    for (const entry of this.#entries) {
      const first = this.#entry(entry.batch)
      if (entry.state === 'appended' && (first.physicalOffset as number) < until) entry.state = 'flushed' // It has a place.
    }
  }

  /** Somebody has read it: with synchronous flush that is as good as an acknowledgement. */
  seen(id: number): void {
    const entry = this.#entry(id)
    if (entry.state === 'appended') entry.state = 'flushed'
  }

  refused(firstId: number, count: number): void {
    for (let i = 0; i < count; i++) this.#entry(firstId + i).state = 'gone'
  }

  /** Another process goes on with the store before anybody has looked. */
  leaveUnsure(): void {
    for (const entry of this.#entries) if (entry.state === 'intended') entry.state = 'unsure'
  }

  /** A checker has read everything: what was there stays there, what was not never comes back. */
  settle(found: ReadonlyMap<number, { readonly queueOffset: number; readonly physicalOffset: number }>): void {
    for (const entry of this.#entries) {
      const place = found.get(entry.id)
      entry.state = place === undefined ? 'gone' : 'flushed'
      entry.queueOffset = place?.queueOffset
      entry.physicalOffset = place?.physicalOffset
    }
  }

  #entry(id: number): Entry {
    const entry = this.#entries[id]
    assert(entry !== undefined, 'the message was intended')
    return entry
  }
}
