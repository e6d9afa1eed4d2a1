/** Messages with a delay level: how they are stored, when they are delivered, and that they are in the face of what happens. */
import { describe, expect, test } from 'vitest'
import { secondMs, seededRandom, VarveError } from '../../../src/base/index.ts'
import { SCHEDULE_TOPIC } from '../../../src/layout/index.ts'
import { draft, openDataPath, TOPIC } from '../../support/data-path.ts'
import { START_MS } from '../../support/settable-clock.ts'
import { losesEverything } from '../../support/simulated-disk.ts'
import { SEGMENT_BYTES } from '../../support/store-fixtures.ts'
import {
  afterKill,
  bodiesIn,
  messagesIn,
  RICH,
  RICH_STORED,
  runRecurring,
  send,
  sendDelayed,
  textIn
} from './delay-path.ts'

const PROGRESS = '/store/config/delayOffset.json'

describe('a message with a delay level', () => {
  test('waits in the queue of its level and says where it goes', async () => {
    await using path = await openDataPath()
    const sent = sendDelayed(path, 'later', 3, { queueId: 2, properties: { TAGS: 'a' } })
    expect(sent).toMatchObject({
      topic: TOPIC,
      queueId: 2,
      queueOffset: 0,
      storedTopic: SCHEDULE_TOPIC,
      storedQueueId: 2
    })
    expect(await messagesIn(path, { topic: TOPIC, queueId: 2 })).toEqual([])
    const [waiting] = await messagesIn(path, { topic: SCHEDULE_TOPIC, queueId: 2 })
    expect(waiting?.properties).toMatchObject({ DELAY: '3', REAL_TOPIC: TOPIC, REAL_QID: '2', TAGS: 'a' })
  })

  test('is delivered when its time has come and not a millisecond before', async () => {
    await using path = await openDataPath()
    sendDelayed(path, 'later', 2)
    await path.advance(5 * secondMs - 1)
    expect(await bodiesIn(path)).toEqual([])
    await path.advance(1)
    expect(await bodiesIn(path)).toEqual(['later'])
    expect(path.delayed.lateness).toMatchObject({ count: 1, max: 0 })
  })

  test('is delivered as it was sent', async () => {
    await using path = await openDataPath()
    sendDelayed(path, 'later', 1, RICH)
    await path.advance(secondMs)
    const [message] = await messagesIn(path, { topic: TOPIC, queueId: 1 })
    expect(message).toMatchObject({
      queueOffset: 0,
      ...RICH_STORED,
      storedAtMs: START_MS + secondMs,
      preparedTransactionOffset: 0
    })
    // What consumers of Apache RocketMQ see, too.
    expect(message?.properties).toMatchObject({ ...RICH.properties, DELAY: '1', REAL_TOPIC: TOPIC, REAL_QID: '1' })
    path.subscribe('a')
    expect(path.pull({ queueId: 1, expression: 'a' }).bodies).toEqual(['later'])
    expect(path.pull({ queueId: 1, expression: 'b' }).bodies).toEqual([])
  })

  test('is handed to a consumer that waits for it', async () => {
    await using path = await openDataPath()
    send(path, draft('first'))
    sendDelayed(path, 'later', 1)
    path.subscribe('*')
    const pulled = path.pull({ offset: 1, sysFlag: 2 | 4 })
    await path.advance(secondMs - 1)
    expect(pulled.answer).toBeUndefined()
    await path.advance(1)
    await path.turn()
    expect(pulled.bodies).toEqual(['later'])
  })

  test.each([
    { what: 'above the last is of the last', level: 99, queueId: 17, waitMs: 7_200_000, DELAY: '18' },
    { what: 'of ten digits is none', level: 1_000_000_000, queueId: undefined, waitMs: 0, DELAY: '1000000000' },
    { what: 'of 0 is none', level: 0, queueId: undefined, waitMs: 0, DELAY: '0' },
    { what: 'below 0 is none', level: -1, queueId: undefined, waitMs: 0, DELAY: '-1' }
  ])('$what', async ({ level, queueId, waitMs, DELAY }) => {
    await using path = await openDataPath()
    sendDelayed(path, 'm', level)
    if (queueId !== undefined) {
      const [waiting] = await messagesIn(path, { topic: SCHEDULE_TOPIC, queueId })
      expect(waiting?.properties).toMatchObject({ DELAY })
      await path.advance(waitMs - 1)
      expect(await bodiesIn(path)).toEqual([])
    }
    await path.advance(1)
    const [message] = await messagesIn(path)
    expect(message?.properties.DELAY).toBe(DELAY)
  })

  test('that names a time as well goes by its level, and forgets the time', async () => {
    await using path = await openDataPath()
    sendDelayed(path, 'm', 2, { properties: { TIMER_DELAY_SEC: '60', UNIQ_KEY: 'U', TIMER_DELIVER_MS: '1', own: 'x' } })
    await path.advance(5 * secondMs)
    const [message] = await messagesIn(path)
    const { TIMER_DELAY_SEC, TIMER_DELIVER_MS, UNIQ_KEY, own } = message?.properties ?? {}
    expect({ TIMER_DELAY_SEC, TIMER_DELIVER_MS, UNIQ_KEY, own }).toEqual({ UNIQ_KEY: 'U', own: 'x' })
  })

  test('that claims another place to go to is delivered to its own', async () => {
    await using path = await openDataPath()
    sendDelayed(path, 'm', 1, { properties: { REAL_TOPIC: 'elsewhere', REAL_QID: '7' } })
    await path.advance(secondMs)
    expect(await bodiesIn(path)).toEqual(['m'])
    expect(path.store.queues('elsewhere')).toEqual([])
  })

  test('is told its key although properties before it are dropped', async () => {
    await using path = await openDataPath()
    expect(sendDelayed(path, 'm', 1, { properties: { TIMER_DELAY_MS: '5', UNIQ_KEY: 'U1' } }).uniqueKey).toBe('U1')
  })
})

describe('delay levels', () => {
  test('keep the order within each, and none waits for another', async () => {
    await using path = await openDataPath()
    for (let i = 0; i < 300; i++) sendDelayed(path, `long ${i}`, 2, { queueId: i % 2 })
    for (let i = 0; i < 300; i++) sendDelayed(path, `short ${i}`, 1, { queueId: i % 2 })
    await path.advance(secondMs)
    const even = Array.from({ length: 150 }, (_, i) => 2 * i)
    expect(await bodiesIn(path)).toEqual(even.map(i => `short ${i}`))
    await path.advance(4 * secondMs)
    expect(await bodiesIn(path)).toEqual([...even.map(i => `short ${i}`), ...even.map(i => `long ${i}`)])
    expect(await bodiesIn(path, { topic: TOPIC, queueId: 1 })).toHaveLength(300)
  })

  test('deliver a bounded number in a turn, however many are due', async () => {
    await using path = await openDataPath({ store: { segmentBytes: 1 << 20 } })
    for (let i = 0; i < 1000; i++) sendDelayed(path, `${i}`, 1 + (i % 3))
    path.clock.advance(10 * secondMs)
    const counts: number[] = []
    let before = 0
    while (before < 1000) {
      await path.oneTurn()
      const count = path.store.maxOffset({ topic: TOPIC, queueId: 0 })
      counts.push(count - before)
      before = count
    }
    expect(Math.max(...counts)).toBe(128)
    expect(counts.length).toBeLessThan(12)
  })

  test('are those of messageDelayLevel', async () => {
    const levels = '2s 1m 3h 4d'
    await using path = await openDataPath({ config: { messageDelayLevel: levels }, store: { delayLevels: levels } })
    for (const [i, level] of [1, 2, 3, 4, 5].entries()) sendDelayed(path, `${i}`, level)
    const seen: string[][] = []
    for (const ms of [2 * secondMs - 1, 1, 58_000, 10_800_000 - 60_000, 345_600_000 - 10_800_000]) {
      await path.advance(ms)
      seen.push(await bodiesIn(path))
    }
    expect(seen).toEqual([[], ['0'], ['0', '1'], ['0', '1', '2'], ['0', '1', '2', '3', '4']])
  })

  test('changed by a restart leave what waits its time', async () => {
    const path = await openDataPath()
    sendDelayed(path, 'm', 1)
    await path[Symbol.asyncDispose]()
    const levels = '1h'
    await using next = await openDataPath({
      disk: path.disk,
      clock: path.clock,
      config: { messageDelayLevel: levels },
      store: { delayLevels: levels }
    })
    await next.advance(secondMs)
    expect(await bodiesIn(next)).toEqual(['m'])
  })
})

describe('progress of delay levels', () => {
  test('is kept as Apache RocketMQ reads it', async () => {
    const path = await openDataPath({ config: { delayOffsetUpdateVersionStep: 2 } })
    for (let i = 0; i < 3; i++) sendDelayed(path, `${i}`, 1)
    sendDelayed(path, 'm', 2)
    await path.advance(secondMs)
    await path[Symbol.asyncDispose]()
    expect(JSON.parse(textIn(path, PROGRESS))).toEqual({
      dataVersion: { counter: 1, stateVersion: 0, timestamp: START_MS + secondMs },
      offsetTable: { 1: 3 }
    })
  })

  test('is read as Apache RocketMQ writes it', async () => {
    const path = await openDataPath()
    for (let i = 0; i < 3; i++) sendDelayed(path, `${i}`, 1)
    await path[Symbol.asyncDispose]()
    const file = path.disk.open(PROGRESS, 'create')
    file.write(
      Buffer.from('{"dataVersion":{"counter":12,"stateVersion":0,"timestamp":1758276000000},"offsetTable":{1:2,3:77}}'),
      0
    )
    file.close()
    await using next = await openDataPath({ disk: path.disk, clock: path.clock })
    await next.advance(secondMs)
    expect(await bodiesIn(next)).toEqual(['2'])
    // Level 3 has no queue: what the file says of it was true of another log.
    expect([...next.delayed.levels()].slice(0, 3).map(({ nextOffset }) => nextOffset)).toEqual([3, 0, 0])
  })

  test('outlasts a restart: nothing is delivered twice', async () => {
    const path = await openDataPath()
    for (let i = 0; i < 5; i++) sendDelayed(path, `${i}`, 1)
    await path.advance(secondMs)
    sendDelayed(path, '5', 1)
    await path[Symbol.asyncDispose]()
    await using next = await openDataPath({ disk: path.disk, clock: path.clock })
    await next.advance(secondMs)
    expect(await bodiesIn(next)).toEqual(['0', '1', '2', '3', '4', '5'])
  })

  test('that was not saved is gone when the process is killed: delivered once more, in order, none lost', async () => {
    const path = await openDataPath()
    for (let i = 0; i < 4; i++) sendDelayed(path, `${i}`, 1)
    await path.advance(secondMs)
    runRecurring(path)
    await path.turn()
    sendDelayed(path, '4', 1)
    sendDelayed(path, '5', 2)
    await path.advance(secondMs)
    await using next = await afterKill(path)
    await next.advance(4 * secondMs)
    expect(await bodiesIn(next)).toEqual(['0', '1', '2', '3', '4', '4', '5'])
  })

  test('never runs ahead of what a loss of power leaves', async () => {
    const path = await openDataPath()
    for (let i = 0; i < 4; i++) sendDelayed(path, `${i}`, 1)
    await path.store.flushed()
    await path.advance(secondMs)
    runRecurring(path)
    await path.turn()
    const disk = path.disk.crash(seededRandom(1), losesEverything)
    await using next = await openDataPath({ disk, clock: path.clock })
    await next.advance(secondMs)
    expect(new Set(await bodiesIn(next))).toEqual(new Set(['0', '1', '2', '3']))
  })

  test('beyond the end of a log that was cut goes back to its end', async () => {
    const path = await openDataPath()
    sendDelayed(path, 'flushed', 1)
    await path.store.flushed()
    const before = path.disk.crash(seededRandom(1), losesEverything)
    before.makeDirectory('/store/config')
    const file = before.open(PROGRESS, 'create')
    file.write(Buffer.from('{"offsetTable":{"1":9}}'), 0)
    file.close()
    await using next = await openDataPath({ disk: before, clock: path.clock })
    sendDelayed(next, 'new', 1)
    await next.advance(secondMs)
    expect(await bodiesIn(next)).toEqual(['new'])
  })
})

describe('delayed messages and the clock', () => {
  test('set back wait their time as it really passes, neither early nor for ever', async () => {
    await using path = await openDataPath()
    sendDelayed(path, 'before', 3)
    await path.advance(4 * secondMs)
    path.clock.setWall(START_MS - 3_600_000)
    sendDelayed(path, 'after', 1)
    sendDelayed(path, 'after, too', 3)
    await path.advance(secondMs - 1)
    expect(await bodiesIn(path)).toEqual([])
    await path.advance(1)
    expect(await bodiesIn(path)).toEqual(['after'])
    await path.advance(8 * secondMs)
    expect((await bodiesIn(path)).slice(1)).not.toContain('after, too')
    await path.advance(secondMs)
    expect(await bodiesIn(path)).toEqual(['after', 'before', 'after, too'])
  })

  test('set back while one after the other is sent wait no longer for it', async () => {
    await using path = await openDataPath()
    sendDelayed(path, 'before', 1)
    path.clock.setWall(START_MS - 3_600_000)
    for (let i = 0; i < 10; i++) {
      sendDelayed(path, `${i}`, 2)
      await path.advance(100)
    }
    await path.advance(4 * secondMs)
    for (let i = 0; i < 10; i++) {
      const count = path.store.maxOffset({ topic: TOPIC, queueId: 0 })
      expect(count).toBe(i + 2)
      await path.advance(100)
    }
    expect(await bodiesIn(path)).toHaveLength(11)
  })

  test('set forwards are due by the new time, within a second', async () => {
    await using path = await openDataPath()
    sendDelayed(path, 'm', 18)
    path.clock.setWall(START_MS + 7_200_000)
    await path.advance(secondMs)
    expect(await bodiesIn(path)).toEqual(['m'])
  })

  test('that was set back before the start wait no longer than their level', async () => {
    const path = await openDataPath()
    sendDelayed(path, 'm', 3)
    path.clock.setWall(START_MS - 3_600_000)
    await using next = await afterKill(path)
    await next.turn()
    await next.advance(10 * secondMs - 1)
    expect(await bodiesIn(next)).toEqual([])
    await next.advance(1)
    expect(await bodiesIn(next)).toEqual(['m'])
  })
})

describe('delivery of delayed messages', () => {
  test('waits for room in the store and goes on', async () => {
    let refusals = 3
    await using path = await openDataPath({
      around(store) {
        const append = store.append.bind(store)
        store.append = message => {
          if (message.topic === TOPIC && refusals-- > 0) throw new VarveError('STORE_BUSY')
          return append(message)
        }
        return store
      }
    })
    for (let i = 0; i < 10; i++) sendDelayed(path, `${i}`, 1)
    await path.advance(secondMs)
    expect(refusals).toBeLessThan(0)
    expect(await bodiesIn(path)).toEqual(Array.from({ length: 10 }, (_, i) => `${i}`))
  })

  test('fetches what is not in memory', async () => {
    const path = await openDataPath()
    for (let i = 0; i < 200; i++) sendDelayed(path, `${i}`.padEnd(300), 1)
    await path[Symbol.asyncDispose]()
    for (const file of path.disk.list('/store/commitlog')) path.disk.evict(`/store/commitlog/${file}`)
    await using next = await openDataPath({ disk: path.disk, clock: path.clock })
    await next.advance(secondMs)
    while ((await bodiesIn(next)).length < 200) await next.turn()
    expect((await bodiesIn(next)).map(Number)).toEqual(Array.from({ length: 200 }, (_, i) => i))
  })

  test('passes over a damaged record, and says so', async () => {
    const path = await openDataPath()
    for (let i = 0; i < 3; i++) sendDelayed(path, `body ${i}`, 1)
    const [, second] = await messagesIn(path, { topic: SCHEDULE_TOPIC, queueId: 0 })
    await path[Symbol.asyncDispose]()
    const log = path.disk.open(`/store/commitlog/${path.disk.list('/store/commitlog')[0]}`, 'write')
    log.write(Uint8Array.of(0xff), (second?.physicalOffset ?? 0) + 90)
    log.close()
    await using next = await openDataPath({ disk: path.disk, clock: path.clock })
    await next.advance(secondMs)
    expect(await bodiesIn(next)).toEqual(['body 0', 'body 2'])
    expect(next.delayed.lostCount).toBe(1)
    expect(next.logged.map(({ event }) => event)).toEqual(['delayed messages lost'])
  })

  test('goes on behind what retention has deleted', async () => {
    await using path = await openDataPath({ store: { retention: { totalBytesMax: 2 * SEGMENT_BYTES } } })
    for (let i = 0; i < 300; i++) sendDelayed(path, `${i}`.padEnd(500), 18)
    path.clock.advance(7_200_000)
    await path.store.flushed()
    await path.store.messagesByKey({ topic: TOPIC, key: 'k' }) // Everything is dispatched.
    await path.store.clean()
    const min = path.store.minOffset({ topic: SCHEDULE_TOPIC, queueId: 17 })
    expect(min).toBeGreaterThan(0)
    await path.advance(0)
    while ((await bodiesIn(path)).length < 300 - min) await path.turn()
    expect((await bodiesIn(path)).map(Number)).toEqual(Array.from({ length: 300 - min }, (_, i) => min + i))
    expect(path.delayed.lostCount).toBe(min)
  })

  test('with synchronous flush takes what is on disk, and waits for the rest', async () => {
    await using path = await openDataPath({ store: { flush: 'sync' } })
    sendDelayed(path, 'm', 1)
    await path.advance(secondMs)
    await path.store.flushed()
    expect(await bodiesIn(path)).toEqual(['m'])
  })

  test('leaves out what belongs to a transaction', async () => {
    await using path = await openDataPath()
    path.appending.append({
      topic: SCHEDULE_TOPIC,
      queueId: 0,
      body: 'half',
      properties: { DELAY: '1', REAL_TOPIC: 'RMQ_SYS_TRANS_HALF_TOPIC', REAL_QID: '0' }
    })
    path.appending.append({ topic: SCHEDULE_TOPIC, queueId: 0, body: 'nowhere', properties: { DELAY: '1' } })
    sendDelayed(path, 'm', 1)
    await path.advance(secondMs)
    expect(await bodiesIn(path)).toEqual(['m'])
    expect(path.store.queues('RMQ_SYS_TRANS_HALF_TOPIC')).toEqual([])
    expect(path.delayed.lostCount).toBe(2)
  })
})
