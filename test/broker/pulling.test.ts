/** What a pull is answered: where a queue ends and begins, how much at once, which messages, and what is noted of it. */
import { describe, expect, test } from 'vitest'
import { groupConfig, PULL_FLAG, type PullRequest, topicConfig } from '../../src/broker/index.ts'
import type { StoreOptions } from '../../src/index.ts'
import { javaHash } from '../../src/layout/index.ts'
import { queueDirectory, segmentPath } from '../../src/store/paths.ts'
import { type DataPath, draft, GROUP, openDataPath, TOPIC } from '../support/data-path.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { bodyOf, SEGMENT_BYTES } from '../support/store-fixtures.ts'

function store(path: DataPath, count: number, { tags = [''], from = 0, body = (i: number) => `m${i}` } = {}): void {
  for (let i = from; i < from + count; i++) {
    const tag = tags[i % tags.length] as string // There is one.
    path.sending.send(draft(body(i), { properties: tag === '' ? {} : { TAGS: tag } }))
  }
}

const names = (from: number, until: number): string[] => Array.from({ length: until - from }, (_, i) => `m${from + i}`)
const OF_QUEUE = { topic: TOPIC, group: GROUP, queueId: 0 }

describe('a pull of a queue', () => {
  test.each([
    { where: 'at its beginning', offset: 0, status: 'FOUND', verdict: 'found', next: 10 },
    { where: 'in its midst', offset: 4, status: 'FOUND', verdict: 'found', next: 10 },
    { where: 'at its end', offset: 10, status: 'OFFSET_OVERFLOW_ONE', verdict: 'nothing', next: 10 },
    { where: 'beyond its end', offset: 11, status: 'OFFSET_OVERFLOW_BADLY', verdict: 'moved', next: 10 },
    { where: 'below 0', offset: -1, status: 'OFFSET_TOO_SMALL', verdict: 'moved', next: 0 }
  ])('$where is $status, $verdict, $next', async ({ offset, status, verdict, next }) => {
    await using path = await openDataPath()
    store(path, 10)
    const pulled = path.pull({ offset })
    expect(pulled.answer).toMatchObject({ status, verdict, nextOffset: next, minOffset: 0, maxOffset: 10 })
    expect(pulled.bodies).toEqual(status === 'FOUND' ? names(offset, 10) : [])
  })

  test.each([
    { offset: 0, verdict: 'nothing' },
    { offset: 3, verdict: 'moved' }
  ])('that does not exist, from $offset, is $verdict', async ({ offset, verdict }) => {
    await using path = await openDataPath()
    store(path, 1)
    const answer = { status: 'NO_MATCHED_LOGIC_QUEUE', verdict, nextOffset: 0, minOffset: 0, maxOffset: 0 }
    expect(path.pull({ queueId: 1, offset }).answer).toMatchObject(answer)
  })

  test.each([
    { offset: 0, verdict: 'nothing' },
    { offset: 3, verdict: 'moved' }
  ])('without a message yet on disk, from $offset, is $verdict', async ({ offset, verdict }) => {
    await using path = await openDataPath({ store: { flush: 'sync' } })
    store(path, 1)
    expect(path.pull({ offset }).answer).toMatchObject({ status: 'NO_MESSAGE_IN_QUEUE', verdict, nextOffset: 0 })
  })

  test('below what retention has left is sent to the minimum', async () => {
    await using path = await openDataPath({ store: { retention: { totalBytesMax: 2 * SEGMENT_BYTES, intervalMs: 0 } } })
    store(path, 200, { body: bodyOf })
    await path.store.flushed()
    await path.store.messagesByKey({ topic: TOPIC, key: 'none' }) // Everything is dispatched.
    await path.store.clean()
    const minOffset = path.store.minOffset(OF_QUEUE)
    expect(minOffset).toBeGreaterThan(0)
    const moved = { status: 'OFFSET_TOO_SMALL', verdict: 'moved', nextOffset: minOffset, minOffset }
    expect(path.pull({ offset: 0 }).answer).toMatchObject(moved)
  })

  test('whose file is lost goes on with the next file', async () => {
    const disk = new SimulatedDisk()
    await openDataPath({ disk }).then(async path => {
      store(path, 100)
      await path[Symbol.asyncDispose]()
    })
    await using path = await openDataPath({ disk })
    expect(path.store.minOffset(OF_QUEUE)).toBe(0)
    const directory = queueDirectory('/store', TOPIC, 0)
    disk.remove(`${directory}/${disk.list(directory)[4]}`)
    const answer = { status: 'OFFSET_FOUND_NULL', verdict: 'nothing', nextOffset: 80 }
    expect(path.pull({ offset: 70, countMax: 4 }).answer).toMatchObject(answer)
    expect(path.logged).toMatchObject([{ event: 'damage passed over', fields: { topic: TOPIC, queueId: 0 } }])
  })

  test('passes over a damaged record, moves on behind it and reports it', async () => {
    const disk = new SimulatedDisk()
    await using path = await openDataPath({ disk })
    store(path, 6, { body: i => `m${i} `.padEnd(200, '.') })
    const { messages } = await path.store.read({ ...OF_QUEUE, offset: 2, countMax: 1 })
    const file = disk.open(segmentPath('/store', 0), 'write')
    file.write(Buffer.from('#'), (messages[0]?.physicalOffset ?? 0) + 150)
    file.close()
    const pulled = path.pull()
    expect(pulled.answer).toMatchObject({ status: 'FOUND', nextOffset: 6 })
    expect(pulled.bodies.map(body => body.slice(0, 2))).toEqual(['m0', 'm1', 'm3', 'm4', 'm5'])
    const alone = path.pull({ offset: 2, countMax: 1 })
    expect(alone.answer).toMatchObject({ status: 'MESSAGE_WAS_REMOVING', verdict: 'again', nextOffset: 3 })
    expect(path.logged).toHaveLength(2)
    expect(path.logged[0]).toMatchObject({
      event: 'damage passed over',
      fields: { topic: TOPIC, queueId: 0, group: GROUP, error: { code: 'RECORD_DAMAGED' } }
    })
  })

  test('sees with synchronous flush only what is on disk', async () => {
    await using path = await openDataPath({ store: { flush: 'sync' } })
    store(path, 2)
    await path.store.flushed()
    store(path, 2, { from: 2 })
    expect(path.pull().bodies).toEqual(['m0', 'm1'])
    await path.store.flushed()
    expect(path.pull().bodies).toEqual(['m0', 'm1', 'm2', 'm3'])
  })
})

describe('a pull at once', () => {
  const KiB = 1024
  const large = (i: number): string => `m${i} `.padEnd(4 * KiB, '.')
  test.each<{ limit: string; config?: object; pull?: Partial<PullRequest>; count: number; memoryBytes?: number }>([
    { limit: 'as many as asked for', pull: { countMax: 5 }, count: 5 },
    { limit: 'one, where none is asked for', pull: { countMax: 0 }, count: 1 },
    { limit: '32 of many', pull: { countMax: 160 }, count: 32 },
    {
      limit: 'as many as are allowed',
      config: { maxTransferCountOnMessageInMemory: 50 },
      pull: { countMax: 160 },
      count: 50
    },
    { limit: 'what fits', config: { maxTransferBytesOnMessageInMemory: 20 * KiB }, count: 4 },
    { limit: 'one that does not fit', config: { maxTransferBytesOnMessageInMemory: 1 }, count: 1 },
    { limit: '8 of what is on disk', memoryBytes: 0, count: 8 },
    {
      limit: 'fewer of what is on disk',
      config: { maxTransferBytesOnMessageInDisk: 9 * KiB },
      memoryBytes: 0,
      count: 2
    },
    {
      limit: 'more of what is on disk',
      config: { maxTransferCountOnMessageInDisk: 12 },
      memoryBytes: 0,
      count: 12
    }
  ])('gets $limit: $count', async ({ config = {}, pull = {}, count, memoryBytes }) => {
    const memory = memoryBytes === undefined ? {} : { memoryBytes }
    await using path = await openDataPath({ config, ...memory, store: { segmentBytes: 1024 * KiB } })
    store(path, 60, { body: large })
    const pulled = path.pull(pull)
    expect(pulled.bodies.length).toBe(count)
    expect(pulled.answer).toMatchObject({ status: 'FOUND', nextOffset: count })
  })

  test('counts as on disk what is further behind the end than the share of memory that holds the newest', async () => {
    const store_: Partial<StoreOptions> = { segmentBytes: 1024 * KiB }
    await using path = await openDataPath({ store: store_, memoryBytes: 100 * KiB })
    store(path, 60, { body: large }) // Some 4.2 KiB each; 40 % of the memory hold 9.
    expect(path.pull({ offset: 40 }).bodies).toHaveLength(8)
    expect(path.pull({ offset: 52 }).bodies).toHaveLength(8)
    path.config.accessMessageInMemoryMaxRatio = 100
    expect(path.pull({ offset: 40 }).bodies).toHaveLength(20)
  })

  test('gets no more than 256 KiB', async () => {
    await using path = await openDataPath({ store: { segmentBytes: 1024 * KiB } })
    store(path, 8, { body: i => `m${i}`.padEnd(60 * KiB, '.') })
    expect(path.pull().bodies).toHaveLength(4)
  })

  test('looks at 800 messages, whatever the filter lets pass', async () => {
    await using path = await openDataPath({ store: { queueFileEntries: 2000 } })
    store(path, 900, { tags: ['a'] })
    const pulled = path.pull({ expression: 'b' })
    expect(pulled.answer).toMatchObject({ status: 'NO_MATCHED_MESSAGE', verdict: 'again', nextOffset: 800 })
    path.config.maxFilterMessageSize = 2000
    expect(path.pull({ expression: 'b' }).answer).toMatchObject({ nextOffset: 100 })
  })
})

describe('a pull with a filter', () => {
  test('gets what its tags name, and moves on behind what they do not', async () => {
    await using path = await openDataPath()
    store(path, 9, { tags: ['a', 'b', 'c'] })
    const pulled = path.pull({ expression: 'a || c', offset: 1 })
    expect(pulled.bodies).toEqual(['m2', 'm3', 'm5', 'm6', 'm8'])
    expect(pulled.answer).toMatchObject({ nextOffset: 9 })
    expect(path.pull({ expression: '*' }).bodies).toHaveLength(9)
    expect(path.pull({ expression: undefined }).bodies).toHaveLength(9)
    expect(path.pull({ expression: ' || ' }).answer).toMatchObject({ status: 'NO_MATCHED_MESSAGE', nextOffset: 9 })
  })

  test('gets other tags with the same hash as well: consumers compare the text', async () => {
    expect(javaHash('BB')).toBe(javaHash('Aa'))
    await using path = await openDataPath()
    store(path, 3, { tags: ['Aa', 'BB', 'C'] })
    expect(path.pull({ expression: 'Aa' }).bodies).toEqual(['m0', 'm1'])
  })

  test('gets no message without a tag, and takes a tag with bars for one', async () => {
    await using path = await openDataPath()
    store(path, 3, { tags: ['', 'a||b', 'a'] })
    expect(path.pull({ expression: 'a' }).bodies).toEqual(['m2'])
    expect(path.pull({ expression: 'a||b' }).bodies).toEqual(['m2'])
  })

  test('reads with the newest subscription of its group', async () => {
    await using path = await openDataPath()
    store(path, 4, { tags: ['a', 'b'] })
    const pull: Partial<PullRequest> = { sysFlag: 0, subscriptionVersion: 1 }
    path.subscribe('a', { version: 1 })
    expect(path.pull(pull).bodies).toEqual(['m0', 'm2'])
    path.subscribe('b', { version: 2 })
    expect(path.pull(pull).bodies).toEqual(['m1', 'm3'])
    path.subscribe('*', { version: 3 })
    expect(path.pull(pull).bodies).toEqual(['m0', 'm1', 'm2', 'm3'])
  })

  test('reads records as the expression wants it, asked once for each expression', async () => {
    const compiled: string[] = []
    const filter = {
      acceptsTag: () => true,
      acceptsRecord: (bytes: Uint8Array, from: number, until: number) =>
        Buffer.from(bytes.subarray(from, until)).includes('TAGS\x01b')
    }
    await using path = await openDataPath({
      config: { enablePropertyFilter: true },
      expressions: {
        registered: () => undefined,
        compile: expression => {
          compiled.push(expression)
          return filter
        }
      }
    })
    store(path, 4, { tags: ['a', 'b'] })
    expect(path.pull({ expression: "TAGS = 'b'", expressionType: 'SQL92' }).bodies).toEqual(['m1', 'm3'])
    expect(compiled).toContain("TAGS = 'b'")
  })
})

describe('what a pull leaves and tells', () => {
  test('the offset is committed if the flag says so, whatever is found; the next is noted', async () => {
    await using path = await openDataPath()
    store(path, 5)
    const { offsets } = path.tables
    path.pull({ commitOffset: 3 })
    expect(offsets.find(OF_QUEUE)).toBeUndefined()
    expect(offsets.findPulled(OF_QUEUE)).toBe(5)
    const sysFlag = PULL_FLAG.hasSubscription | PULL_FLAG.commits
    path.pull({ sysFlag, commitOffset: 3 })
    expect(offsets.find(OF_QUEUE)).toBe(3)
    path.pull({ sysFlag, commitOffset: 4, offset: 5 })
    expect(offsets.find(OF_QUEUE)).toBe(4)
  })

  test('flags of topic and group come with the answer', async () => {
    await using path = await openDataPath()
    store(path, 1)
    path.tables.topics.update(topicConfig(TOPIC, { sysFlag: 2 }))
    path.tables.groups.update(groupConfig(GROUP, { sysFlag: 1 }))
    expect(path.pull().answer).toMatchObject({ topicSysFlag: 2, groupSysFlag: 1 })
  })

  test('a reset by an administrator is answered exactly once', async () => {
    await using path = await openDataPath({ config: { useServerSideResetOffset: true } })
    store(path, 5)
    path.tables.offsets.reset(OF_QUEUE, 2)
    const sysFlag = PULL_FLAG.hasSubscription | PULL_FLAG.commits
    const moved = path.pull({ offset: 5, sysFlag, commitOffset: 5 }).answer
    expect(moved).toMatchObject({ status: 'OFFSET_RESET', verdict: 'moved', nextOffset: 2, minOffset: 0, maxOffset: 5 })
    expect(path.tables.offsets.find(OF_QUEUE)).toBe(2)
    expect(path.pull({ offset: 2 }).answer).toMatchObject({ status: 'FOUND', nextOffset: 5 })
  })

  test('another broker is named only where slaves may be read, and who is far behind is sent to the slow one', async () => {
    await using path = await openDataPath({ memoryBytes: 10_000 })
    path.tables.groups.update(groupConfig(GROUP, { brokerId: 3, brokerIdWhenSlow: 7 }))
    store(path, 60, { body: bodyOf })
    expect(path.pull().answer).toMatchObject({ suggestedBrokerId: 0 })
    path.config.slaveReadEnable = true
    expect(path.pull({ offset: 0, countMax: 1 }).answer).toMatchObject({ suggestedBrokerId: 7 })
    expect(path.pull({ offset: 59, countMax: 1 }).answer).toMatchObject({ suggestedBrokerId: 3 })
  })

  test('what was found is told to whoever counts, with nothing found nothing', async () => {
    await using path = await openDataPath()
    store(path, 3)
    path.pull()
    path.pull({ offset: 3 })
    expect(path.counted).toEqual([{ group: GROUP, topic: TOPIC, count: 3 }])
  })
})

describe('a pull of cold data', () => {
  const cold = async () => {
    const disk = new SimulatedDisk()
    const first = await openDataPath({ disk })
    store(first, 60, { body: bodyOf })
    await first[Symbol.asyncDispose]()
    const path = await openDataPath({ disk })
    expect(path.store.minOffset(OF_QUEUE)).toBe(0)
    disk.evict(segmentPath('/store', 0))
    return { path }
  }

  test('is answered later, and others meanwhile', async () => {
    const { path } = await cold()
    await using _ = path
    const sysFlag = PULL_FLAG.hasSubscription | PULL_FLAG.commits
    const pulled = path.pull({ offset: 3, countMax: 4, sysFlag, commitOffset: 2 })
    expect(pulled.answer).toBeUndefined()
    // Another pull, of what is warm, overtakes it and does not disturb it.
    expect(path.pull({ offset: 50 }).bodies).toHaveLength(10)
    await path.turn()
    expect(pulled.bodies.map(body => body.split(' ')[0])).toEqual(['m3', 'm4', 'm5', 'm6'])
    expect(pulled.answer).toMatchObject({ status: 'FOUND', nextOffset: 7 })
    expect(path.tables.offsets.find(OF_QUEUE)).toBe(2)
  })

  test('keeps a copy of the request, which its owner uses again at once', async () => {
    const { path } = await cold()
    await using _ = path
    const request = path.request({ offset: 3, countMax: 1 })
    const pulled = path.pullBy(request)
    Object.assign(request, { offset: 50, topic: 'other', queueId: 3, countMax: 32 })
    await path.turn()
    expect(pulled.answer).toMatchObject({ nextOffset: 4 })
    expect(path.tables.offsets.findPulled(OF_QUEUE)).toBe(4)
  })

  test('whose connection is gone meanwhile is told nothing', async () => {
    const { path } = await cold()
    await using _ = path
    const link = path.subscribe('*')
    const pulled = path.pull({ offset: 3, link })
    link.close()
    await path.turn()
    expect(pulled.answer).toBeUndefined()
  })
})
