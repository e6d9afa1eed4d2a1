/** A queue offset that has rotted in a record: only the queue, or the other records, tell that it is wrong. */
import { describe, expect, test } from 'vitest'
import { openStore, type Store } from '../../src/index.ts'
import { verifyStore } from '../../src/store/index.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { fill, nameOf, QUEUE, SEGMENT_BYTES, simulated } from '../support/store-fixtures.ts'

const QUEUE_OFFSET_AT = 20
const COUNT = 60
const OTHER = { topic: 'payments', queueId: 1 }

/** A closed store of two queues, in whose log the messages of `orders` lie at these positions. */
async function closedStore(): Promise<{ disk: SimulatedDisk; positions: number[] }> {
  const disk = new SimulatedDisk()
  const store = await openStore(simulated(disk))
  for (let i = 0; i < COUNT; i++) {
    fill(store, 1, { from: i })
    if (i % 3 === 0) fill(store, 1, { from: i, queue: OTHER })
  }
  const { messages } = await store.read({ ...QUEUE, offset: 0, countMax: COUNT })
  await store.close()
  return { disk, positions: messages.map(({ physicalOffset }) => physicalOffset) }
}

function setQueueOffset(disk: SimulatedDisk, position: number, queueOffset: number): void {
  const base = position - (position % SEGMENT_BYTES)
  const file = disk.open(`/store/commitlog/${String(base).padStart(20, '0')}`, 'write')
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigInt64(0, BigInt(queueOffset))
  file.write(bytes, position - base + QUEUE_OFFSET_AT)
  file.close()
}

async function readable(store: Store, queue = QUEUE): Promise<{ names: string[]; damaged: unknown[] }> {
  const names: string[] = []
  const damaged: unknown[] = []
  for (let offset: number = store.minOffset(queue); offset < store.maxOffset(queue); ) {
    const found = await store.read({ ...queue, offset })
    names.push(...found.messages.map(nameOf))
    damaged.push(...found.damaged.map(({ details }) => details.queueOffset))
    offset = found.nextOffset
  }
  return { names, damaged }
}

const namesWithout = (...missing: number[]): string[] =>
  Array.from({ length: COUNT }, (_, i) => i)
    .filter(i => !missing.includes(i))
    .map(i => `m${i}`)

const rots = [
  { what: 'a later one of the queue', index: 10, becomes: 26 },
  { what: 'an earlier one of the queue', index: 10, becomes: 2 },
  { what: 'the next one', index: 10, becomes: 11 },
  { what: 'one that no queue has', index: 10, becomes: 2 ** 40 },
  { what: 'a negative one', index: 10, becomes: -(2 ** 62) },
  { what: 'another one, in the first message', index: 0, becomes: 2 ** 40 },
  { what: 'another one, in the last message', index: COUNT - 1, becomes: COUNT + 5 }
]

describe('a queue offset that has become', () => {
  test.each(rots)('$what is found by verification, as damage of the record', async ({ index, becomes }) => {
    const { disk, positions } = await closedStore()
    setQueueOffset(disk, positions[index]!, becomes)
    const { damage, orphanCount } = await verifyStore(disk, { directory: '/store' })
    expect(damage).toMatchObject([
      { kind: 'record', derived: false, from: positions[index], ...QUEUE, queueOffset: index, count: 1 }
    ])
    expect(orphanCount).toBe(0)
  })

  test.each(rots)('$what costs a rebuild that message alone, and is reported from then on', async rot => {
    const { disk, positions } = await closedStore()
    setQueueOffset(disk, positions[rot.index]!, rot.becomes)
    disk.removeDirectory('/store/consumequeue')
    for (const kind of ['rebuilt', 'opened again']) {
      await using store = await openStore(simulated(disk))
      const { recovery } = store.info()
      expect([kind, recovery.rebuilt]).toEqual([kind, kind === 'rebuilt'])
      expect(recovery.damaged).toMatchObject([{ from: positions[rot.index] }])
      const { names } = await readable(store)
      expect(names).toEqual(namesWithout(rot.index))
      expect((await readable(store, OTHER)).names).toHaveLength(COUNT / 3)
    }
  })
})
