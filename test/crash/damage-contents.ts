/** What a store held before it was damaged, and reading it afterwards: every message is right, or reported, or missing. */
import { VarveError } from '../../src/base/index.ts'
import type { QueueName, Store, StoredMessage } from '../../src/index.ts'
import type { Ledger } from './ledger.ts'
import { idOf, QUEUES } from './messages.ts'
import { Violation } from './violation.ts'

/** Where the record of a message lies in the log. */
export interface Span {
  readonly id: number
  readonly at: number
  readonly end: number
}

const PART = 256

export class Contents {
  /** By queue, then by offset. */
  readonly queues: readonly (readonly StoredMessage[])[]
  readonly ledger: Ledger

  private constructor(queues: readonly (readonly StoredMessage[])[], ledger: Ledger) {
    this.queues = queues
    this.ledger = ledger
  }

  static async of(store: Store, ledger: Ledger): Promise<Contents> {
    const queues: StoredMessage[][] = []
    for (const queue of QUEUES) {
      const messages: StoredMessage[] = []
      for (let offset = 0; offset < store.maxOffset(queue); ) {
        const read = await store.read({ ...queue, offset, countMax: PART })
        if (read.damaged.length > 0) throw read.damaged[0]
        messages.push(...read.messages)
        offset = read.nextOffset
      }
      queues.push(messages)
    }
    return new Contents(queues, ledger)
  }

  get ids(): number[] {
    return this.queues.flatMap(messages => messages.map(message => idOf(message) as number)) // All are ours.
  }

  describe(id: number | undefined): string {
    const message = this.queues.flat().find(one => idOf(one) === id)
    return `message ${id} of ${message?.topic}/${message?.queueId}, offset ${message?.queueOffset}, position ${message?.physicalOffset}`
  }
}

export const spansOf = ({ queues }: Contents): Span[] =>
  queues.flatMap(messages =>
    messages.map(message => ({
      id: idOf(message) as number, // All are ours.
      at: message.physicalOffset as number,
      end: message.physicalOffset + message.sizeBytes
    }))
  )

/** What is known of a store that was damaged. */
export interface Known {
  readonly contents: Contents
  /** Messages whose records were damaged. */
  readonly mayBeLost: ReadonlySet<number>
  /** Bodies of messages that were appended after the damage, by place. */
  readonly later: Map<string, Uint8Array>
}

const placeName = ({ topic, queueId }: QueueName, queueOffset: number): string =>
  `${topic}/${queueId} offset ${queueOffset}`

/** Life goes on: what is appended takes no offset of a message that may still come back. @throws Violation */
export function appendBehind(store: Store, { contents, mayBeLost, later }: Known): void {
  for (const [index, queue] of QUEUES.entries()) {
    const { body, queueOffset } = appendOne(store, queue)
    const before = contents.queues[index]?.[queueOffset]
    if (before !== undefined && !mayBeLost.has(idOf(before) as number)) {
      throw new Violation(`${placeName(queue, queueOffset)} is given away a second time`)
    }
    later.set(placeName(queue, queueOffset), body)
  }
}

function appendOne(store: Store, queue: QueueName): { body: Uint8Array; queueOffset: number } {
  const body = Buffer.from(`later in ${queue.topic}/${queue.queueId}`)
  return { body, queueOffset: store.append({ ...queue, body }).queueOffset }
}

/** Returns which messages are there. @throws Violation for a message that is not what was appended at its place */
export async function readableContents(store: Store, known: Known): Promise<Set<number>> {
  const found = new Set<number>()
  for (const [index, messages] of known.contents.queues.entries()) {
    const queue = QUEUES[index] as (typeof QUEUES)[number] // As many.
    const max = store.maxOffset(queue)
    for (let offset: number = store.minOffset(queue); offset < max; ) {
      const next = await readPart(store, { ...queue, offset }, message => {
        const id = check(message, messages, known)
        if (id !== undefined) found.add(id)
      })
      if (next <= offset) throw new Violation(`${queue.topic}/${queue.queueId}: reading stays at ${offset} of ${max}`)
      offset = next
    }
  }
  return found
}

async function readPart(
  store: Store,
  from: { topic: string; queueId: number; offset: number },
  take: (message: StoredMessage) => void
): Promise<number> {
  try {
    const { messages, nextOffset } = await store.read({ ...from, countMax: PART })
    for (const message of messages) take(message)
    return nextOffset
  } catch (error) {
    if (!(error instanceof VarveError)) throw error
    return Number.POSITIVE_INFINITY // The whole queue is refused, with a code.
  }
}

function check(
  message: StoredMessage,
  expected: readonly StoredMessage[],
  { contents: { ledger }, mayBeLost, later }: Known
): number | undefined {
  const where = placeName(message, message.queueOffset)
  const body = later.get(where)
  if (body !== undefined && Buffer.compare(message.body, body) === 0) return undefined
  const before = expected[message.queueOffset]
  if (before === undefined) throw new Violation(`${where}: a message where none was`)
  const id = idOf(before) as number // All are ours.
  if (message.physicalOffset !== before.physicalOffset) {
    throw new Violation(`${where}: from position ${message.physicalOffset}, not ${before.physicalOffset}`)
  }
  if (Buffer.compare(message.body, ledger.message(id).body as Uint8Array) !== 0)
    throw new Violation(`${where}: another body`)
  // No checksum covers the properties of a record by default: those of a damaged one may be anything.
  if (!mayBeLost.has(id) && JSON.stringify(message.properties) !== JSON.stringify(before.properties)) {
    throw new Violation(`${where}: other properties`)
  }
  return id
}
