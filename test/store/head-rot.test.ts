/** What has rotted in the head of a record, where no checksum is: only the queue, or the other records, tell that it is wrong. */
import { describe, expect, test } from 'vitest'
import { openStore, type Store } from '../../src/index.ts'
import { verifyStore } from '../../src/store/index.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { fill, nameOf, QUEUE, SEGMENT_BYTES, simulated } from '../support/store-fixtures.ts'

const QUEUE_ID_AT = 12
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

function patchLog(disk: SimulatedDisk, position: number, bytes: Uint8Array): void {
  const base = position - (position % SEGMENT_BYTES)
  const file = disk.open(`/store/commitlog/${String(base).padStart(20, '0')}`, 'write')
  file.write(bytes, position - base)
  file.close()
}

function setQueueOffset(disk: SimulatedDisk, position: number, queueOffset: number): void {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigInt64(0, BigInt(queueOffset))
  patchLog(disk, position + QUEUE_OFFSET_AT, bytes)
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
  { what: 'one whose place no number tells', index: 10, becomes: 2 ** 62 },
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

describe('a queue offset whose place no number tells, where no queue says what it was', () => {
  const BEYOND = 2 ** 62

  test('is found by verification, as damage of the record', async () => {
    const { disk, positions } = await closedStore()
    setQueueOffset(disk, positions[10]!, BEYOND)
    disk.removeDirectory('/store/consumequeue')
    const { damage } = await verifyStore(disk, { directory: '/store' })
    expect(damage).toContainEqual(
      expect.objectContaining({ kind: 'record', problem: 'no queue can have its queue offset', from: positions[10] })
    )
  })

  test('costs a rebuild that message alone, though it is the only one of its queue', async () => {
    const disk = new SimulatedDisk()
    const store = await openStore(simulated(disk))
    fill(store, 1)
    fill(store, 1, { queue: OTHER })
    const { physicalOffset } = (await store.read({ ...OTHER, offset: 0 })).messages[0]!
    await store.close()
    setQueueOffset(disk, physicalOffset, BEYOND)
    disk.removeDirectory('/store/consumequeue')
    await using reopened = await openStore(simulated(disk))
    expect(reopened.info().recovery.damaged).toMatchObject([{ from: physicalOffset }])
    expect((await readable(reopened)).names).toEqual(['m0'])
  })
})

test('a queue number beyond the usual limit is no rot where the queue is there', async () => {
  const disk = new SimulatedDisk()
  const store = await openStore({ ...simulated(disk), queueIdMax: 100_000 })
  fill(store, 3, { queue: { topic: 'wide', queueId: 70_000 } })
  await store.close()
  disk.remove('/store/varve/queues')
  expect((await verifyStore(disk, { directory: '/store' })).damage).toEqual([])
})

describe('a head in which has rotted', () => {
  /** Behind the body, before the properties. */
  const topicAt = (disk: SimulatedDisk, position: number): number => {
    const segment = new Uint8Array(SEGMENT_BYTES)
    disk.open('/store/commitlog/00000000000000000000', 'read').read(segment, 0)
    return Buffer.from(segment.buffer).indexOf(QUEUE.topic, position)
  }
  const heads = [
    { what: 'the topic', at: topicAt, bytes: [0x2f] }, // A slash: no name may lead out of the store.
    {
      what: 'the number of the queue',
      at: (_: SimulatedDisk, position: number) => position + QUEUE_ID_AT,
      bytes: [0x7f]
    },
    { what: 'its sign', at: (_: SimulatedDisk, position: number) => position + QUEUE_ID_AT, bytes: [0x80] }
  ]
  const INDEX = 10
  const rotten = async ({ at, bytes }: (typeof heads)[number]) => {
    const { disk, positions } = await closedStore()
    patchLog(disk, at(disk, positions[INDEX]!), Uint8Array.from(bytes))
    return { disk, position: positions[INDEX] }
  }

  test.each(heads)('$what is found by verification, as damage of the record', async head => {
    const { disk, position } = await rotten(head)
    const { damage } = await verifyStore(disk, { directory: '/store' })
    expect(damage).toContainEqual(
      expect.objectContaining({ kind: 'record', problem: 'no queue can have its topic and number', from: position })
    )
  })

  test.each(heads)('$what costs a rebuild that message alone', async head => {
    const { disk, position } = await rotten(head)
    disk.removeDirectory('/store/consumequeue')
    await using store = await openStore(simulated(disk))
    expect(store.info().recovery.damaged).toMatchObject([{ from: position }])
    expect((await readable(store)).names).toEqual(namesWithout(INDEX))
    expect(store.topics()).toEqual([QUEUE.topic, OTHER.topic])
  })
})
