import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../src/base/index.ts'
import {
  ConsumerOffsets,
  GroupTable,
  OffsetRequests,
  type QueueFacts,
  TopicTable,
  topicConfig
} from '../../src/broker/index.ts'
import { FaultyFiles } from '../support/faulty-files.ts'
import { losesEverything } from '../support/simulated-disk.ts'
import { jsonIn, newDisk, ROOT, type TableWorldOptions, tableWorld, writeText } from '../support/table-fixtures.ts'

const PATH = join(ROOT, 'config', 'consumerOffset.json')
const QUEUE = { topic: 'orders', group: 'g', queueId: 0 }
const fails = (code: string) => expect.objectContaining({ code })

function opened(options: TableWorldOptions = {}) {
  const world = tableWorld(options)
  return { world, offsets: new ConsumerOffsets(world) }
}

describe('a committed offset', () => {
  test('is found for its queue, group and topic alone', () => {
    const { offsets } = opened()
    offsets.commit(QUEUE, 5)
    expect(offsets.find(QUEUE)).toBe(5)
    expect(offsets.find({ ...QUEUE, queueId: 1 })).toBeUndefined()
    expect(offsets.find({ ...QUEUE, group: 'h' })).toBeUndefined()
    expect(offsets.find({ ...QUEUE, topic: 'other' })).toBeUndefined()
  })

  test('may go back, with a warning', () => {
    const { offsets, world } = opened()
    offsets.commit(QUEUE, 5)
    offsets.commit(QUEUE, 3)
    expect(offsets.find(QUEUE)).toBe(3)
    expect(world.logged).toEqual(['consumer offset goes back'])
  })

  test.each([Number.NaN, 0.5, 2 ** 53, Number.POSITIVE_INFINITY])('cannot be %s', offset => {
    expect(() => opened().offsets.commit(QUEUE, offset)).toThrow(fails('PARAMETER_INVALID'))
  })

  test.each([-1, 1.5, Number.NaN])('is of no queue %s', queueId => {
    expect(() => opened().offsets.commit({ ...QUEUE, queueId }, 1)).toThrow(fails('PARAMETER_INVALID'))
  })

  test('moves the version with every 500th', () => {
    const { offsets } = opened()
    for (let i = 0; i < 499; i++) offsets.commit(QUEUE, i)
    expect(offsets.version.counter).toBe(0)
    offsets.commit(QUEUE, 499)
    expect(offsets.version.counter).toBe(1)
  })

  test('is on disk after the next save, and what was not saved is the state of the last one after a crash', async () => {
    const { offsets, world } = opened()
    offsets.commit(QUEUE, 5)
    offsets.commit({ ...QUEUE, topic: '%RETRY%g', queueId: 12 }, 0)
    offsets.commit({ ...QUEUE, group: 'g@broadcast' }, -1)
    await offsets.saved()
    offsets.commit(QUEUE, 9)
    const found = new ConsumerOffsets({ ...world, files: world.disk.crash(seededRandom(1), losesEverything) })
    expect(found.json()).toEqual({ 'orders@g': { 0: 5 }, '%RETRY%g@g': { 12: 0 }, 'orders@g@broadcast': { 0: -1 } })
    expect(found.find({ ...QUEUE, group: 'g@broadcast' })).toBe(-1)
  })

  test('that changes nothing is not saved again', async () => {
    const { offsets, world } = opened()
    offsets.commit(QUEUE, 5)
    await offsets.saved()
    offsets.commit(QUEUE, 5)
    expect(offsets.isSaved).toBe(true)
    offsets.saveSoon()
    await offsets.saved()
    expect(world.disk.counts.rename).toBe(1)
  })

  test('stays to be saved when saving fails', async () => {
    const disk = newDisk()
    const files = new FaultyFiles(disk)
    const { offsets, world } = opened({ disk, files })
    offsets.commit(QUEUE, 5)
    files.fail({ kind: 'syncAll', errno: 'EIO' })
    await expect(offsets.saved()).rejects.toThrow(fails('STORE_SYNC_FAILED'))
    expect(world.logged).toEqual(['consumer offsets not saved'])
    await offsets.saved()
    expect(new ConsumerOffsets({ ...world, files: disk.crash(seededRandom(1), losesEverything) }).find(QUEUE)).toBe(5)
  })
})

describe('a save of many offsets', () => {
  test('gives others their turn, and takes in what they commit meanwhile or leaves it for the next', async () => {
    const { offsets, world } = opened()
    for (let i = 0; i < 10_000; i++) offsets.commit({ ...QUEUE, group: `g-${i}` }, 1)
    let turns = 0
    let isSaved = false
    const saved = offsets.saved().then(() => {
      isSaved = true
    })
    const others = (async () => {
      for (; !isSaved; turns++) {
        offsets.commit({ ...QUEUE, group: 'g-9999' }, turns + 2)
        await new Promise(resolve => setImmediate(resolve))
      }
    })()
    await Promise.all([saved, others])
    expect(turns).toBeGreaterThan(8)
    await offsets.saved()
    expect(new ConsumerOffsets({ ...world, files: world.disk.kill() }).json()).toEqual(offsets.json())
  })
})

describe('a reset', () => {
  test('answers the next pull once, makes commits void until then, and is the offset at once', () => {
    const { offsets } = opened()
    offsets.commit(QUEUE, 50)
    offsets.reset(QUEUE, 10)
    expect(offsets.find(QUEUE)).toBe(10)
    expect(offsets.commit(QUEUE, 51)).toBe(false)
    expect(offsets.find(QUEUE)).toBe(10)
    expect(offsets.commit({ ...QUEUE, queueId: 1 }, 7)).toBe(true)
    expect(offsets.hasPendingReset(QUEUE)).toBe(true)
    expect(offsets.takeReset(QUEUE)).toBe(10)
    expect(offsets.takeReset(QUEUE)).toBeUndefined()
    expect(offsets.commit(QUEUE, 11)).toBe(true)
    expect(offsets.find(QUEUE)).toBe(11)
  })

  test('is not lost with a restart as far as the offset goes', async () => {
    const { offsets, world } = opened()
    offsets.reset(QUEUE, 10)
    await offsets.saved()
    const found = new ConsumerOffsets({ ...world, files: world.disk.kill() })
    expect(found.find(QUEUE)).toBe(10)
    expect(found.hasPendingReset(QUEUE)).toBe(false)
  })

  test('only sets the offset where clients reset themselves', () => {
    const { offsets } = opened({ config: { useServerSideResetOffset: false } })
    offsets.reset(QUEUE, 10)
    expect(offsets.takeReset(QUEUE)).toBeUndefined()
    expect(offsets.commit(QUEUE, 11)).toBe(true)
  })
})

describe('the table of offsets', () => {
  function filled() {
    const { offsets, world } = opened()
    for (const topic of ['a', 'b']) {
      for (const group of ['g', 'h']) {
        offsets.commit({ topic, group, queueId: 0 }, topic === 'a' ? 1 : 2)
        offsets.commit({ topic, group, queueId: 1 }, group === 'g' ? 3 : 4)
      }
    }
    return { offsets, world }
  }

  test('lists topics of a group and groups of a topic', () => {
    const { offsets } = filled()
    offsets.setPulled({ topic: 'c', group: 'i', queueId: 0 }, 5)
    expect(offsets.topicsOf('g')).toEqual(['a', 'b'])
    expect(offsets.groupsOf('a')).toEqual(['g', 'h'])
    expect(offsets.topicsOf('i')).toEqual([])
    expect(offsets.groupsOf('c')).toEqual([])
    expect(offsets.ofTopic('a', 'h')).toEqual(
      new Map([
        [0, 1],
        [1, 4]
      ])
    )
  })

  test('tells the lowest offset of any group, without those left out', () => {
    const { offsets } = filled()
    expect(offsets.minimumOf('a').get(1)).toBe(3)
    expect(offsets.minimumOf('a', new Set(['g'])).get(1)).toBe(4)
    expect(offsets.minimumOf('nothing').size).toBe(0)
  })

  test('forgets a topic, for all groups and also on disk', async () => {
    const { offsets, world } = filled()
    await offsets.saved()
    offsets.removeTopic('a')
    expect(offsets.find({ topic: 'a', group: 'g', queueId: 0 })).toBeUndefined()
    expect(offsets.topicsOf('g')).toEqual(['b'])
    await offsets.saved()
    expect(jsonIn(world.disk, PATH)).toMatchObject({
      offsetTable: { 'b@g': { 0: 2, 1: 3 }, 'b@h': { 0: 2, 1: 4 } }
    })
  })

  test('forgets a group, with its pulled offsets and resets', () => {
    const { offsets } = filled()
    offsets.reset({ topic: 'a', group: 'g', queueId: 0 }, 9)
    offsets.setPulled({ topic: 'a', group: 'g', queueId: 0 }, 9)
    offsets.removeGroup('g')
    expect(offsets.groupsOf('a')).toEqual(['h'])
    expect(offsets.findPulled({ topic: 'a', group: 'g', queueId: 0 })).toBeUndefined()
    expect(offsets.hasPendingReset({ topic: 'a', group: 'g', queueId: 0 })).toBe(false)
  })

  test('gives a group the offsets of another, in one topic or in all', () => {
    const { offsets } = filled()
    offsets.clone({ from: 'g', to: 'new', topic: 'a' })
    expect(offsets.topicsOf('new')).toEqual(['a'])
    offsets.clone({ from: 'g', to: 'new' })
    expect(offsets.ofTopic('b', 'new')).toEqual(offsets.ofTopic('b', 'g'))
    offsets.commit({ topic: 'a', group: 'new', queueId: 0 }, 77)
    expect(offsets.find({ topic: 'a', group: 'g', queueId: 0 })).toBe(1)
    offsets.clone({ from: 'nobody', to: 'new' })
  })

  test('knows what was pulled; without that, what was committed', () => {
    const { offsets } = filled()
    const queue = { topic: 'a', group: 'g', queueId: 0 }
    expect(offsets.findPulled(queue)).toBe(1)
    offsets.setPulled(queue, 8)
    expect(offsets.findPulled(queue)).toBe(8)
  })

  test.each([
    ['{}', {}],
    ['{"offsetTable":{"orders":{0:1},"@g":{0:1},"t@":{0:1},"t@g":{"x":1,"-1":2,3:4}}}', { 't@g': { 3: 4 } }],
    ['{"offsetTable":{"t@g":{0:9223372036854775807,1:"12"}}}', { 't@g': { 0: Number.MAX_SAFE_INTEGER, 1: 12 } }],
    ['{"offsetTable":{"t@g":7}}', {}]
  ])('reads %s', (text, table) => {
    const disk = newDisk()
    disk.makeDirectory(join(ROOT, 'config'))
    writeText(disk, PATH, text)
    expect(opened({ disk }).offsets.json()).toEqual(table)
  })

  test('keeps whatever names it has read, without harm to the file', async () => {
    const disk = newDisk()
    disk.makeDirectory(join(ROOT, 'config'))
    const table = { 'a"b\\@g\n': { 0: 1 }, '__proto__@g': { 0: 2 }, 'grün@g@broadcast': { 1: 3 } }
    writeText(disk, PATH, JSON.stringify({ offsetTable: table }))
    const { offsets, world } = opened({ disk })
    offsets.commit(QUEUE, 5)
    await offsets.saved()
    const found = new ConsumerOffsets({ ...world, files: disk.kill() }).json()
    expect(found).toEqual({ ...table, 'orders@g': { 0: 5 } })
  })

  test('does what the simplest model does, over any history, crashes included', async () => {
    const name = (prefix: string) => fc.integer({ min: 0, max: 2 }).map(i => `${prefix}${i}`)
    const queue = fc.record({ topic: name('t'), group: name('g'), queueId: fc.integer({ min: 0, max: 3 }) })
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ type: fc.constant('commit' as const), queue, offset: fc.nat(9) }) },
      { weight: 2, arbitrary: fc.record({ type: fc.constant('reset' as const), queue, offset: fc.nat(9) }) },
      { weight: 3, arbitrary: fc.record({ type: fc.constant('take' as const), queue }) },
      fc.record({ type: fc.constant('removeTopic' as const), queue }),
      fc.record({ type: fc.constant('removeGroup' as const), queue }),
      fc.record({ type: fc.constant('clone' as const), queue, to: name('g') }),
      fc.record({ type: fc.constant('save' as const) }),
      fc.record({ type: fc.constant('crash' as const), seed: fc.nat() })
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async steps => {
        let world = tableWorld()
        let offsets = new ConsumerOffsets(world)
        let model = new NaiveOffsets()
        let saved = model.copy()
        for (const step of steps) {
          switch (step.type) {
            case 'commit':
              expect(offsets.commit(step.queue, step.offset)).toBe(model.commit(step.queue, step.offset))
              break
            case 'reset':
              offsets.reset(step.queue, step.offset)
              model.reset(step.queue, step.offset)
              break
            case 'take':
              expect(offsets.takeReset(step.queue)).toBe(model.takeReset(step.queue))
              break
            case 'removeTopic':
              offsets.removeTopic(step.queue.topic)
              model.remove(({ topic }) => topic === step.queue.topic)
              break
            case 'removeGroup':
              offsets.removeGroup(step.queue.group)
              model.remove(({ group }) => group === step.queue.group)
              break
            case 'clone':
              offsets.clone({ from: step.queue.group, to: step.to, topic: step.queue.topic })
              model.clone(step.queue, step.to)
              break
            case 'save':
              await offsets.saved()
              saved = model.copy()
              break
            case 'crash':
              world = tableWorld({ disk: world.disk.crash(seededRandom(step.seed)) })
              offsets = new ConsumerOffsets(world)
              model = saved.restarted()
              saved = model.copy()
          }
          expect(offsets.json()).toEqual(model.json())
          expect(offsets.topicsOf('g1')).toEqual(model.topicsOf('g1'))
        }
      }),
      { numRuns: 200 }
    )
  })
})

interface Queue {
  readonly topic: string
  readonly group: string
  readonly queueId: number
}

/** Two flat lists, searched from end to end. */
class NaiveOffsets {
  #committed: { queue: Queue; offset: number }[] = []
  #resets: { queue: Queue; offset: number }[] = []

  commit(queue: Queue, offset: number): boolean {
    if (this.#resets.some(reset => same(reset.queue, queue))) return false
    this.#set(queue, offset)
    return true
  }

  reset(queue: Queue, offset: number): void {
    this.#resets = [...this.#resets.filter(reset => !same(reset.queue, queue)), { queue, offset }]
    this.#set(queue, offset)
  }

  takeReset(queue: Queue): number | undefined {
    const found = this.#resets.find(reset => same(reset.queue, queue))
    this.#resets = this.#resets.filter(reset => reset !== found)
    return found?.offset
  }

  remove(isGone: (queue: Queue) => boolean): void {
    this.#committed = this.#committed.filter(({ queue }) => !isGone(queue))
    this.#resets = this.#resets.filter(({ queue }) => !isGone(queue))
  }

  clone({ topic, group }: Queue, to: string): void {
    for (const { queue, offset } of [...this.#committed]) {
      if (queue.topic === topic && queue.group === group) this.#set({ ...queue, group: to }, offset)
    }
  }

  topicsOf(group: string): string[] {
    return [
      ...new Set(this.#committed.filter(({ queue }) => queue.group === group).map(({ queue }) => queue.topic))
    ].sort()
  }

  json(): Record<string, Record<string, number>> {
    const json: Record<string, Record<string, number>> = {}
    for (const { queue, offset } of this.#committed) {
      const key = `${queue.topic}@${queue.group}`
      json[key] = { ...json[key], [queue.queueId]: offset }
    }
    return json
  }

  copy(): NaiveOffsets {
    const copy = new NaiveOffsets()
    copy.#committed = [...this.#committed]
    copy.#resets = [...this.#resets]
    return copy
  }

  restarted(): NaiveOffsets {
    const copy = this.copy()
    copy.#resets = []
    return copy
  }

  #set(queue: Queue, offset: number): void {
    this.#committed = [...this.#committed.filter(other => !same(other.queue, queue)), { queue, offset }]
  }
}

const same = (a: Queue, b: Queue) => a.topic === b.topic && a.group === b.group && a.queueId === b.queueId

describe('clients and administrators', () => {
  function parts(facts: Partial<QueueFacts> = {}) {
    const world = tableWorld()
    const topics = new TopicTable(world)
    const groups = new GroupTable(world)
    const offsets = new ConsumerOffsets(world)
    const queues: QueueFacts = {
      minOffset: () => 0,
      maxOffset: () => 100,
      offsetAt: async ({ queueId, timeMs }) => timeMs + queueId,
      isFirstInMemory: () => true,
      ...facts
    }
    topics.ensure(topicConfig('orders', { readQueueCount: 3, writeQueueCount: 1 }))
    groups.getOrCreate('g')
    return { offsets, groups, requests: new OffsetRequests({ topics, groups, offsets, queues, config: world.config }) }
  }

  test('commit for groups and topics that exist alone', () => {
    const { requests, offsets, groups } = parts()
    expect(() => requests.update({ ...QUEUE, group: 'nobody' }, 1)).toThrow(fails('GROUP_UNKNOWN'))
    expect(groups.find('nobody')).toBeUndefined()
    expect(() => requests.update({ ...QUEUE, topic: 'nothing' }, 1)).toThrow(fails('TOPIC_UNKNOWN'))
    expect(requests.update(QUEUE, 1)).toBe(true)
    offsets.reset(QUEUE, 5)
    expect(requests.update(QUEUE, 2)).toBe(false)
  })

  test.each<{ stored?: number; min: number; inMemory: boolean; isZeroAllowed: boolean; answer: number | undefined }>([
    { stored: 7, min: 0, inMemory: true, isZeroAllowed: true, answer: 7 },
    { stored: 0, min: 5, inMemory: false, isZeroAllowed: false, answer: 0 },
    { stored: -1, min: 0, inMemory: true, isZeroAllowed: true, answer: 0 },
    { min: 0, inMemory: true, isZeroAllowed: true, answer: 0 },
    { min: 0, inMemory: true, isZeroAllowed: false, answer: undefined },
    { min: 0, inMemory: false, isZeroAllowed: true, answer: undefined },
    { min: 1, inMemory: true, isZeroAllowed: true, answer: undefined }
  ])(
    'with $stored stored, minimum $min, message 0 in memory $inMemory, 0 allowed $isZeroAllowed go on at $answer',
    ({ stored, min, inMemory, isZeroAllowed, answer }) => {
      const { requests, offsets } = parts({ minOffset: () => min, isFirstInMemory: () => inMemory })
      if (stored !== undefined) offsets.commit(QUEUE, stored)
      const query = () => requests.query(QUEUE, { isZeroAllowed })
      if (answer === undefined) expect(query).toThrow(fails('OFFSET_UNKNOWN'))
      else expect(query()).toBe(answer)
    }
  )

  test('reset all queues that are read, by time or to the end', async () => {
    const { requests, offsets } = parts()
    const reset = { topic: 'orders', group: 'g', queueId: undefined, offset: undefined, timeMs: 40 }
    expect([...(await requests.reset(reset))]).toEqual([
      [0, 40],
      [1, 41],
      [2, 42]
    ])
    expect(offsets.takeReset({ ...QUEUE, queueId: 2 })).toBe(42)
    expect([...(await requests.reset({ ...reset, timeMs: -1 })).values()]).toEqual([100, 100, 100])
  })

  test('reset one queue to an offset that it has', async () => {
    const { requests, offsets } = parts({ minOffset: () => 10 })
    const reset = { topic: 'orders', group: 'g', queueId: 1, offset: 101, timeMs: 0 }
    expect([...(await requests.reset(reset))]).toEqual([[1, 101]])
    for (const offset of [9, 102]) {
      await expect(requests.reset({ ...reset, offset })).rejects.toThrow(fails('PARAMETER_INVALID'))
    }
    expect(offsets.find({ ...QUEUE, queueId: 1 })).toBe(101)
  })

  test('reset nothing of what does not exist', async () => {
    const { requests } = parts()
    const reset = { topic: 'orders', group: 'g', queueId: undefined, offset: undefined, timeMs: 0 }
    await expect(requests.reset({ ...reset, topic: 'nothing' })).rejects.toThrow(fails('TOPIC_UNKNOWN'))
    await expect(requests.reset({ ...reset, group: 'nobody' })).rejects.toThrow(fails('GROUP_UNKNOWN'))
  })
})
