/**
 * Records looked at in one call, against the same records looked at one by one: they must agree on every byte of a record
 * that can rot. Reads of a single record never take the quick way.
 */
import { type FileHandle, open } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { type MessageInput, openStore, type Store, type StoreOptions } from '../../src/index.ts'
import { locate, RECORD_WHOLE, RecordPositions } from '../../src/layout/index.ts'
import { segmentPath } from '../../src/store/paths.ts'
import { bodyOf, freshDirectory, mappers, message, QUEUE, SMALL } from '../support/store-fixtures.ts'

const V4 = { address: '10.1.2.3', port: 80 }
const V6 = { address: '2001:db8::1', port: 80 }
const COUNT = 6
/** Of the record that rots: neither the first nor the last of the run. */
const ROTTEN = 3

const kinds: { kind: string; topic?: string; of: (index: number) => Partial<MessageInput> }[] = [
  { kind: 'messages of one size', of: () => ({}) },
  { kind: 'messages of all sizes', of: i => ({ body: 'x'.repeat(i * 7), tag: 't'.repeat(i + 1), keys: `k${i}` }) },
  { kind: 'messages without a body', of: () => ({ body: '' }) },
  { kind: 'messages from IPv6 hosts', of: () => ({ bornHost: V6 }) },
  { kind: 'messages of a topic of 157 bytes', topic: `%RETRY%${'T'.repeat(150)}`, of: () => ({}) }
]

/** Whether each record is whole and intact, as the store says. */
function intact(store: Store, topic: string, offset: number, countMax: number): boolean[] {
  const views = store.readViewsResident({ topic, queueId: 0, offset, countMax })
  if (views === undefined) throw new Error('what has just been written is cold')
  const damaged = views.damaged.map(({ details }) => details.queueOffset as number)
  return views.bytes.map((bytes, i) => {
    expect(bytes.length === 0).toBe(damaged.includes(offset + i))
    return bytes.length > 0
  })
}

async function flip(file: FileHandle, at: number, bits: number): Promise<void> {
  const byte = Buffer.alloc(1)
  await file.read(byte, 0, 1, at)
  byte[0] = (byte[0] as number) ^ bits // Just read.
  await file.write(byte, 0, 1, at)
}

describe.each(mappers)('a run of records, mapper %s,', mapper => {
  const place = (): StoreOptions => ({ ...SMALL, directory: freshDirectory(), mapper, threads: 'none' })

  test.each(kinds)('of $kind: each byte that rots means what it means to a record by itself', async ({ of, topic }) => {
    const options = place()
    await using store = await openStore(options)
    const name = topic ?? QUEUE.topic
    const places: number[] = []
    const append = (i: number) => store.append({ ...message(`body ${i}`), topic: name, bornHost: V4, ...of(i) })
    for (let i = 0; i < COUNT; i++) places.push(append(i).physicalOffset)
    // The queue is written for a search: until then the record itself says how long it is.
    await store.messagesByKey({ topic: name, key: 'none' })
    expect(intact(store, name, 0, COUNT)).toEqual(Array(COUNT).fill(true))

    const file = await open(segmentPath(options.directory, 0), 'r+')
    const rots = new Set<boolean>()
    try {
      const [from = 0, until = 0] = places.slice(ROTTEN, ROTTEN + 2)
      for (let at = from; at < until; at++) {
        // Among them those that tell the kinds of the hosts.
        for (const bits of [0x01, 0x10, 0x20, 0x80]) {
          await flip(file, at, bits)
          const [alone] = intact(store, name, ROTTEN, 1)
          const together = intact(store, name, 0, COUNT)
          await flip(file, at, bits)
          const expected = Array.from({ length: COUNT }, (_, i) => i !== ROTTEN || alone)
          expect({ at: at - from, bits, together }).toEqual({ at: at - from, bits, together: expected })
          rots.add(alone === true)
        }
      }
    } finally {
      await file.close()
    }
    // Some bytes are the record's alone to know, such as the time; most are not.
    expect(rots).toEqual(new Set([true, false]))
  })

  test('that differ in their hosts, across segment ends and between those of other queues, is read whole', async () => {
    await using store = await openStore(place())
    for (let i = 0; i < 100; i++) {
      store.append(message(bodyOf(i), { bornHost: i % 7 < 3 ? V6 : V4, keys: 'k'.repeat(i + 1) }))
      if (i % 5 === 0) store.append(message('other', { queueId: 1 }))
    }
    const { bytes, damaged } = await store.readViews({ ...QUEUE, offset: 0, countMax: 100 })
    expect(damaged).toEqual([])
    const positions = new RecordPositions()
    const offsets = bytes.map(record => {
      const view = new DataView(record.buffer, record.byteOffset, record.length)
      expect(locate(view, 0, record.length, positions)).toBe(RECORD_WHOLE)
      return positions.queueOffset
    })
    expect(offsets).toEqual(Array.from({ length: 100 }, (_, i) => i))
  })
})
