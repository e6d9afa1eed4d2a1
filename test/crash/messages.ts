/**
 * The messages that producers of the suite send: what message number n holds follows from the seed and n alone, so that a
 * checker can compare every byte without anybody having written the bytes down.
 */
import { KiB, seededRandom } from '../../src/base/index.ts'
import type { MessageInput, QueueName } from '../../src/index.ts'

/** Few queues, so that each has many messages; two topics, so that a queue number alone names none. */
export const QUEUES: readonly QueueName[] = [
  { topic: 'orders', queueId: 0 },
  { topic: 'orders', queueId: 1 },
  { topic: 'orders', queueId: 5 },
  { topic: 'payments', queueId: 0 },
  { topic: 'payments', queueId: 1 }
]

const NOISE = seededRandom(0x7a57e).bytes(64 * KiB)
const ID_PROPERTY = 'id'

export interface Body {
  readonly bytesMax: number
  /** Default 0; a broker takes no empty messages. */
  readonly bytesMin?: number
}

/** A message whose body is most often small, sometimes empty, now and then as large as `bytesMax`. */
export function messageOf(
  seed: number,
  id: number,
  queueIndex: number,
  { bytesMax, bytesMin = 0 }: Body
): MessageInput {
  const chosen = mix(seed, id)
  const kind = chosen % 16
  const limit = kind === 0 ? 0 : kind < 12 ? Math.min(400, bytesMax) : bytesMax
  const length = Math.max(bytesMin, limit === 0 ? 0 : (chosen >>> 4) % limit)
  const from = (chosen >>> 9) % (NOISE.length - length)
  return {
    ...(QUEUES[queueIndex] as QueueName), // The journal knows no other numbers.
    body: NOISE.subarray(from, from + length),
    ...(kind % 3 === 0 ? {} : { tag: `tag${kind % 3}` }),
    keys: keyOf(id),
    properties: { [ID_PROPERTY]: String(id), filler: 'x'.repeat(1 + (chosen % 97)) }
  }
}

export const keyOf = (id: number): string => `key-${id}`

/** Which message this is, if it is one of ours. */
export function idOf({ properties }: { readonly properties: Readonly<Record<string, string>> }): number | undefined {
  const text = properties[ID_PROPERTY]
  return text === undefined || !/^\d+$/.test(text) ? undefined : Number(text)
}

/** 32 bits that look random; neighbouring ids must not look alike. */
function mix(seed: number, id: number): number {
  let bits = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) + Math.imul(id + 1, 0xc2b2ae35)
  bits = Math.imul(bits ^ (bits >>> 15), 0x2c1b3c6d)
  bits = Math.imul(bits ^ (bits >>> 12), 0x297a2d39)
  return (bits ^ (bits >>> 15)) >>> 0
}
