/** Timed messages: what is accepted, when they are delivered, and that they are in the face of what happens. */
import { describe, expect, test } from 'vitest'
import { hourMs, seededRandom } from '../../../src/base/index.ts'
import { TIMER_TOPIC, TIMER_WHEEL_BYTES } from '../../../src/layout/index.ts'
import { draft, openDataPath, TOPIC } from '../../support/data-path.ts'
import { contentOf } from '../../support/file-content.ts'
import { START_MS } from '../../support/settable-clock.ts'
import { losesEverything } from '../../support/simulated-disk.ts'
import { errorOf, SEGMENT_BYTES } from '../../support/store-fixtures.ts'
import {
  afterKill,
  afterRestart,
  bodiesIn,
  countTo,
  messagesIn,
  RICH,
  RICH_STORED,
  runRecurring,
  send,
  sendTimed,
  textIn
} from './delay-path.ts'

const WAITING = { topic: TIMER_TOPIC, queueId: 0 }
const DAY_MS = 24 * hourMs
/** Of the second after the one in which tests begin. */
const SECOND_MS = 1_700_000_001_000
/** Longer than sent messages wait to be taken in. */
const TAKEN_MS = 50

describe('a timed message', () => {
  test('waits in the timer topic and says where it goes, and in which second', async () => {
    await using path = await openDataPath()
    const sent = sendTimed(path, 'later', SECOND_MS + 1500, { queueId: 2, properties: { TAGS: 'a' } })
    expect(sent).toMatchObject({ topic: TOPIC, queueId: 2, storedTopic: TIMER_TOPIC, outMs: SECOND_MS + 1000 })
    const [waiting] = await messagesIn(path, WAITING)
    expect(waiting?.properties).toMatchObject({
      TIMER_OUT_MS: String(SECOND_MS + 1000),
      REAL_TOPIC: TOPIC,
      REAL_QID: '2',
      TAGS: 'a'
    })
  })

  test.each([
    { property: 'TIMER_DELAY_SEC', value: '3', dueInMs: 3000 },
    { property: 'TIMER_DELAY_MS', value: '2345', dueInMs: 2345 },
    { property: 'TIMER_DELAY_MS', value: '1', dueInMs: 1 },
    { property: 'TIMER_DELIVER_MS', value: String(START_MS + 4321), dueInMs: 4321 },
    { property: 'TIMER_DELIVER_MS', value: String(SECOND_MS), dueInMs: SECOND_MS - START_MS },
    { property: 'TIMER_DELIVER_MS', value: String(SECOND_MS + 1), dueInMs: SECOND_MS + 1 - START_MS },
    { property: '__STARTDELIVERTIME', value: String(START_MS + 1500), dueInMs: 1500 }
  ])(
    'with $property $value is delivered after $dueInMs ms and not one earlier',
    async ({ property, value, dueInMs }) => {
      await using path = await openDataPath()
      send(path, draft('later', { properties: { [property]: value } }))
      await path.advance(dueInMs - 1)
      expect(await bodiesIn(path)).toEqual([])
      await path.advance(1)
      expect(await bodiesIn(path)).toEqual(['later'])
      expect(path.delayed.timedLateness).toMatchObject({ count: 1, max: 0 })
    }
  )

  test('is delivered as it was sent', async () => {
    await using path = await openDataPath()
    sendTimed(path, 'later', START_MS + 1000, RICH)
    await path.advance(1000)
    const [message] = await messagesIn(path, { topic: TOPIC, queueId: 1 })
    expect(message).toMatchObject({ ...RICH_STORED, storedAtMs: START_MS + 1000 })
    expect(message?.properties).toMatchObject({
      ...RICH.properties,
      TIMER_OUT_MS: '1700000001000',
      TIMER_ENQUEUE_MS: '1700000000000',
      TIMER_DEQUEUE_MS: String(START_MS + 1000),
      REAL_TOPIC: TOPIC,
      REAL_QID: '1'
    })
  })

  test.each([
    ['TIMER_DELAY_SEC', '0'],
    ['TIMER_DELAY_SEC', '-5'],
    ['TIMER_DELAY_MS', '0'],
    ['TIMER_DELIVER_MS', '1'],
    ['TIMER_DELIVER_MS', String(START_MS)],
    ['TIMER_DELIVER_MS', String(START_MS - 1000)]
  ])('with %s %s, which is no later than now, is delivered at once', async (property, value) => {
    await using path = await openDataPath()
    expect(send(path, draft('now', { properties: { [property]: value } }))).toMatchObject({
      storedTopic: TOPIC,
      outMs: 0
    })
    expect(await bodiesIn(path)).toEqual(['now'])
  })

  const forty = 40 * DAY_MS
  test.each([
    { what: 'beyond 40 days', properties: { TIMER_DELAY_MS: String(forty + 1) }, code: 'MESSAGE_ILLEGAL' },
    { what: 'at 40 days', properties: { TIMER_DELAY_MS: String(forty) }, code: undefined },
    { what: 'a second beyond them', properties: { TIMER_DELAY_SEC: '3456001' }, code: 'MESSAGE_ILLEGAL' },
    { what: 'far beyond', properties: { TIMER_DELIVER_MS: '999999999999999' }, code: 'MESSAGE_ILLEGAL' },
    { what: 'of no number', properties: { TIMER_DELAY_MS: 'abc' }, code: 'MESSAGE_ILLEGAL' },
    { what: 'of half a number', properties: { TIMER_DELAY_SEC: '1.5' }, code: 'MESSAGE_ILLEGAL' },
    { what: 'of a number too long', properties: { TIMER_DELIVER_MS: '9'.repeat(30) }, code: 'MESSAGE_ILLEGAL' },
    {
      what: 'that takes back what is due',
      properties: { TIMER_DELIVER_MS: '1', TIMER_DEL_UNIQKEY: 'x' },
      code: 'MESSAGE_ILLEGAL'
    }
  ])('$what: $code', async ({ properties, code }) => {
    await using path = await openDataPath()
    expect((await errorOf(() => send(path, draft('m', { properties }))))?.code).toBe(code)
  })

  test('may be timed as far ahead as timerMaxDelaySec says, which tells the sender so', async () => {
    await using path = await openDataPath({ config: { timerMaxDelaySec: 259_200 } })
    const error = await errorOf(() => send(path, draft('m', { properties: { TIMER_DELAY_SEC: '259201' } })))
    expect(error).toMatchObject({ code: 'MESSAGE_ILLEGAL', message: expect.stringContaining('259200000ms') })
    expect(send(path, draft('m', { properties: { TIMER_DELAY_SEC: '259199' } }))).toMatchObject({
      storedTopic: TIMER_TOPIC
    })
  })

  test('is refused where timers are turned off, and so is a batch of timed messages', async () => {
    await using path = await openDataPath({ config: { timerWheelEnable: false } })
    expect((await errorOf(() => sendTimed(path, 'm', START_MS + 1000)))?.code).toBe('TIMERS_DISABLED')
    const batch = draft('m', { isBatch: true, properties: { TIMER_DELAY_SEC: '1' } })
    expect((await errorOf(() => send(path, batch)))?.code).toBe('MESSAGE_ILLEGAL')
  })

  test('sent to the timer topic itself is refused', async () => {
    await using path = await openDataPath()
    expect((await errorOf(() => send(path, draft('m', { topic: TIMER_TOPIC }))))?.code).toBe('TOPIC_RESERVED')
  })
})

describe('timed messages', () => {
  test('are delivered in the order of their times, equal times in the order of sending', async () => {
    await using path = await openDataPath({ store: { segmentBytes: 1 << 20 } })
    const random = seededRandom(7)
    const sent = countTo(600).map(i => ({ body: `${i}`, atMs: START_MS + 1 + 10 * random.below(400) }))
    for (const { body, atMs } of sent) {
      sendTimed(path, body, atMs)
      if (random.below(10) === 0) await path.advance(5)
    }
    const late = path.clock.nowMs()
    for (let i = 0; i < 80; i++) await path.advance(100)
    const messages = await messagesIn(path)
    const inOrder = sent.filter(({ atMs }) => atMs > late).sort((a, b) => a.atMs - b.atMs)
    const wanted = new Set(inOrder.map(({ body }) => body))
    const found = (await bodiesIn(path)).filter(body => wanted.has(body))
    expect(found).toEqual(inOrder.map(({ body }) => body))
    expect(new Set(await bodiesIn(path)).size).toBe(600)
    for (const { body, storedAtMs } of messages) {
      const { atMs } = sent[Number(Buffer.from(body).toString())]!
      expect(storedAtMs).toBeGreaterThanOrEqual(atMs)
      expect(storedAtMs - atMs).toBeLessThanOrEqual(1000)
    }
  })

  test('of one second are delivered some in a turn, however many there are', async () => {
    await using path = await openDataPath({ store: { segmentBytes: 1 << 20 } })
    for (let i = 0; i < 1000; i++) sendTimed(path, `${i}`, START_MS + 3000)
    await path.advance(2999)
    path.clock.advance(1)
    const counts: number[] = []
    let before = 0
    while (before < 1000) {
      await path.oneTurn()
      const count = path.store.maxOffset({ topic: TOPIC, queueId: 0 })
      counts.push(count - before)
      before = count
    }
    expect(Math.max(...counts)).toBe(128)
    expect((await bodiesIn(path)).map(Number)).toEqual(countTo(1000))
  })

  test('due far ahead go round until their time comes, and do not grow by it', async () => {
    await using path = await openDataPath({ config: { timerRollWindowSlot: 10 } })
    const atMs = START_MS + 95_500
    sendTimed(path, 'far', atMs, { properties: { UNIQ_KEY: 'U' } })
    while (path.clock.nowMs() < atMs - 1) {
      await path.advance(Math.min(500, atMs - 1 - path.clock.nowMs()))
      expect(await bodiesIn(path)).toEqual([])
    }
    const rounds = await messagesIn(path, WAITING)
    expect(rounds.length).toBeGreaterThan(8)
    expect(rounds.at(-1)?.properties.TIMER_ROLL_TIMES).toBe(String(rounds.length - 1))
    expect(rounds.at(-1)!.sizeBytes - rounds[1]!.sizeBytes).toBeLessThan(4)
    await path.advance(1)
    const [message] = await messagesIn(path)
    expect(message?.storedAtMs).toBe(atMs)
  })

  test('keep the order of equal times though they go round by different ways', async () => {
    const config = { timerRollWindowSlot: 30 }
    await using path = await openDataPath({ config })
    const atMs = START_MS + 45_000
    // Later ones have less of their way left, go half a window instead of a whole one, and are stored anew before the others.
    for (let i = 0; i < 12; i++) {
      sendTimed(path, `${i}`, atMs)
      await path.advance(1000)
    }
    while (path.clock.nowMs() < atMs) await path.advance(500)
    await path.advance(500)
    const again = (await messagesIn(path, WAITING)).filter(({ properties }) => properties.TIMER_ROLL_TIMES === '1')
    const inOrder = again.map(({ body }) => Number(Buffer.from(body).toString()))
    expect(inOrder).not.toEqual([...inOrder].sort((a, b) => a - b))
    expect((await bodiesIn(path)).map(Number)).toEqual(countTo(12))
    const [message] = await messagesIn(path)
    expect(message?.properties).toMatchObject({ TIMER_ROLL_TIMES: expect.any(String) })
    expect(message?.properties.VARVE_TIMER_FIRST_OFFSET).toBeUndefined()
  })

  test('keep that order also after a restart in the midst of them', async () => {
    const config = { timerRollWindowSlot: 30 }
    const path = await openDataPath({ config })
    const atMs = START_MS + 45_000
    for (let i = 0; i < 300; i++) {
      sendTimed(path, `${i}`, atMs)
      if (i % 30 === 29) await path.advance(1000)
    }
    while (path.clock.nowMs() < atMs - 1) await path.advance(Math.min(500, atMs - 1 - path.clock.nowMs()))
    path.clock.advance(1)
    await path.oneTurn()
    const before = path.store.maxOffset({ topic: TOPIC, queueId: 0 })
    expect(before).toBeGreaterThan(0)
    expect(before).toBeLessThan(300)
    await using next = await afterRestart(path, { config })
    await next.advance(500)
    expect((await bodiesIn(next)).map(Number)).toEqual(countTo(300))
  })

  test('sent in a burst for days ahead do not come round in one', async () => {
    const config = { timerRollWindowSlot: 100 }
    await using path = await openDataPath({ config, store: { segmentBytes: 1 << 22 } })
    const count = 4100
    const atMs = START_MS + 250_000
    for (let i = 0; i < count; i++) {
      sendTimed(path, `${i}`, atMs + i)
      if (i % 500 === 0) await path.advance(20)
    }
    await path.advance(TAKEN_MS)
    runRecurring(path)
    await path.turn()
    const wheel = new DataView(contentOf(path.disk, '/store/timerwheel').buffer)
    const counts: number[] = []
    for (let at = 0; at < wheel.byteLength; at += 32)
      if (wheel.getInt32(at + 24) > 0) counts.push(wheel.getInt32(at + 24))
    expect(counts.reduce((sum, inSlot) => sum + inSlot, 0)).toBe(count)
    expect(Math.max(...counts)).toBe(2000)
    while (path.clock.nowMs() < atMs + count) await path.advance(1000)
    expect((await bodiesIn(path)).map(Number)).toEqual(countTo(count))
  })

  test('are counted by the topic that they go to, and the counts outlast a restart', async () => {
    const path = await openDataPath()
    for (let i = 0; i < 3; i++) sendTimed(path, `${i}`, START_MS + 5000)
    sendTimed(path, 'other', START_MS + 1000, { topic: 'other' })
    await path.advance(1000)
    expect(Object.fromEntries(path.delayed.timedCounts.all())).toMatchObject({
      [TOPIC]: { waiting: 3, taken: 3, left: 0 },
      other: { waiting: 0, taken: 1, left: 1 }
    })
    await using next = await afterRestart(path)
    expect(JSON.parse(textIn(next, '/store/config/timermetrics'))).toMatchObject({
      timingCount: { [TOPIC]: { count: 3, timeStamp: expect.any(Number) } }
    })
    expect(Object.fromEntries(next.delayed.timedCounts.all())).toMatchObject({ [TOPIC]: { waiting: 3 } })
  })

  test('leave no file behind where there never was one', async () => {
    await using path = await openDataPath()
    send(path, draft('m'))
    await path.advance(5000)
    expect(path.disk.find('/store/timerwheel')).toBeUndefined()
    sendTimed(path, 'm', START_MS + 60_000)
    expect(path.disk.find('/store/timerwheel')?.sizeBytes).toBe(TIMER_WHEEL_BYTES)
  })
})

describe('timed messages and what happens to a broker', () => {
  const config = { mappedFileSizeTimerLog: 52 * 20 + 16 }
  const sendMany = async (path: Awaited<ReturnType<typeof openDataPath>>, count: number, from = 0): Promise<void> => {
    for (const i of countTo(count, from)) {
      sendTimed(path, `${i}`, START_MS + 2000 + 137 * i)
      if (i % 7 === 0) await path.advance(10)
    }
    await path.advance(TAKEN_MS)
  }
  const inOrderOf = (bodies: readonly string[]): number[] => bodies.map(Number).sort((a, b) => a - b)

  test('outlast a restart: each is delivered once', async () => {
    const path = await openDataPath({ config })
    await sendMany(path, 100)
    await path.advance(4000)
    const before = await bodiesIn(path)
    expect(before.length).toBeGreaterThan(10)
    await using next = await afterRestart(path, { config })
    for (let i = 0; i < 30; i++) await next.advance(500)
    expect((await bodiesIn(next)).map(Number)).toEqual(countTo(100))
    expect(path.disk.list('/store/timerlog').length).toBeGreaterThan(4)
  })

  test('outlast a restart while the broker was down for longer than they had to wait', async () => {
    const path = await openDataPath({ config })
    await sendMany(path, 50)
    await path[Symbol.asyncDispose]()
    path.clock.advance(9 * DAY_MS)
    await using next = await openDataPath({ config, disk: path.disk, clock: path.clock })
    await next.turn()
    expect((await bodiesIn(next)).map(Number)).toEqual(countTo(50))
  })

  test('are not lost to those that are sent when the wheel has turned once meanwhile', async () => {
    const path = await openDataPath({ config })
    sendTimed(path, 'old', START_MS + 5000)
    await path.advance(TAKEN_MS)
    await path[Symbol.asyncDispose]()
    // Two weeks later the second of the wheel is the same.
    path.clock.setWall(START_MS + 14 * DAY_MS)
    await using next = await openDataPath({ config, disk: path.disk, clock: path.clock })
    sendTimed(next, 'new', START_MS + 14 * DAY_MS + 5000)
    await next.turn()
    await next.advance(5000)
    expect(await bodiesIn(next)).toEqual(['old', 'new'])
  })

  test('that were sent and not yet taken in when the process was killed are taken in after it', async () => {
    const path = await openDataPath({ config })
    await sendMany(path, 30)
    runRecurring(path)
    await path.turn()
    for (const i of countTo(30, 30)) sendTimed(path, `${i}`, START_MS + 2000 + 137 * i)
    await using next = await afterKill(path, { config })
    for (let i = 0; i < 30; i++) await next.advance(500)
    expect((await bodiesIn(next)).map(Number)).toEqual(countTo(60))
  })

  test.each([
    { lost: 'nothing', remove: [] as string[] },
    { lost: 'the checkpoint', remove: ['/store/config/timercheck'] },
    { lost: 'the wheel', remove: ['/store/timerwheel'] },
    { lost: 'the log', remove: ['/store/timerlog'] },
    { lost: 'everything', remove: ['/store/config/timercheck', '/store/timerwheel', '/store/timerlog'] }
  ])('are all delivered after a kill that cost $lost', async ({ remove }) => {
    const path = await openDataPath({ config })
    await sendMany(path, 40)
    runRecurring(path)
    await path.turn()
    await sendMany(path, 40, 40)
    const disk = path.disk.kill()
    for (const name of remove) {
      if (disk.find(name)?.isDirectory) disk.removeDirectory(name)
      else disk.remove(name)
    }
    await using next = await openDataPath({ config, disk, clock: path.clock })
    for (let i = 0; i < 40; i++) await next.advance(500)
    const delivered = inOrderOf(await bodiesIn(next))
    expect([...new Set(delivered)]).toEqual(countTo(80))
    for (const { body, storedAtMs } of await messagesIn(next)) {
      expect(storedAtMs).toBeGreaterThanOrEqual(START_MS + 2000 + 137 * Number(Buffer.from(body).toString()))
    }
  })

  test.each(countTo(12))(
    'are all delivered after a loss of power, whatever had reached the disk (seed %i)',
    async seed => {
      const path = await openDataPath({ config })
      const random = seededRandom(seed)
      await sendMany(path, 40)
      runRecurring(path)
      await path.turn()
      await path.advance(random.below(4000))
      await sendMany(path, 40, 100)
      runRecurring(path)
      if (seed % 2 === 0) await path.turn()
      await path.store.flushed()
      const policy = seed === 0 ? losesEverything : {}
      await using next = await openDataPath({ config, disk: path.disk.crash(random, policy), clock: path.clock })
      for (let i = 0; i < 60; i++) await next.advance(500)
      expect([...new Set(inOrderOf(await bodiesIn(next)))]).toEqual([...countTo(40), ...countTo(40, 100)])
    }
  )

  test('that were delivered and saved are not delivered again after a kill', async () => {
    const path = await openDataPath({ config })
    await sendMany(path, 20)
    await path.advance(6000)
    expect(await bodiesIn(path)).toHaveLength(20)
    sendTimed(path, '20', path.clock.nowMs() + 5000)
    await path.advance(2000)
    runRecurring(path)
    await path.turn()
    await using next = await afterKill(path, { config })
    await next.advance(5000)
    expect((await bodiesIn(next)).map(Number)).toEqual(countTo(21))
  })

  test('are not taken for others that a shorter log has in their place', async () => {
    const path = await openDataPath({ config })
    sendTimed(path, 'kept', START_MS + 3000)
    await path.store.flushed()
    await path.advance(TAKEN_MS)
    runRecurring(path)
    await path.turn()
    const disk = path.disk.crash(seededRandom(3), { pages: 0, tornPages: 0, sizes: 1, names: 1 })
    for (const i of countTo(10)) sendTimed(path, `lost ${i}`, START_MS + 3000)
    await path.advance(TAKEN_MS)
    runRecurring(path)
    await path.turn()
    // The timer's files reached the disk, what they point to did not.
    for (const name of [
      'timerwheel',
      'config/timercheck',
      ...path.disk.list('/store/timerlog').map(of => `timerlog/${of}`)
    ]) {
      const file = disk.open(`/store/${name}`, 'create')
      file.write(contentOf(path.disk, `/store/${name}`), 0)
      file.close()
    }
    await using next = await openDataPath({ config, disk, clock: path.clock })
    for (const i of countTo(20)) sendTimed(next, `filler ${i}`, START_MS + 60_000)
    sendTimed(next, 'new', START_MS + 8000)
    await next.advance(3000)
    expect(await bodiesIn(next)).toEqual(['kept'])
    await next.advance(5000)
    expect(await bodiesIn(next)).toEqual(['kept', 'new'])
    expect(next.delayed.lostCount).toBe(0)
  })

  test('are found again though nothing of them is in memory', async () => {
    const path = await openDataPath({ config })
    await sendMany(path, 100)
    await path[Symbol.asyncDispose]()
    for (const directory of ['commitlog', 'timerlog']) {
      for (const file of path.disk.list(`/store/${directory}`)) path.disk.evict(`/store/${directory}/${file}`)
    }
    await using next = await openDataPath({ config, disk: path.disk, clock: path.clock })
    for (let i = 0; i < 40; i++) {
      await next.advance(500)
      await next.turn()
    }
    expect((await bodiesIn(next)).map(Number)).toEqual(countTo(100))
  })

  test('whose records are gone are passed over, counted and logged', async () => {
    await using path = await openDataPath({ config, store: { retention: { totalBytesMax: 2 * SEGMENT_BYTES } } })
    for (const i of countTo(300)) sendTimed(path, `${i}`.padEnd(500), START_MS + 60_000)
    await path.advance(TAKEN_MS)
    await path.store.flushed()
    await path.store.messagesByKey({ topic: TOPIC, key: 'k' }) // Everything is dispatched.
    await path.store.clean()
    const gone = path.store.minOffset(WAITING)
    expect(gone).toBeGreaterThan(0)
    await path.advance(60_000)
    expect((await bodiesIn(path)).map(Number)).toEqual(countTo(300 - gone, gone))
    expect(path.delayed.lostCount).toBe(gone)
    runRecurring(path)
    expect(path.disk.list('/store/timerlog')[0]).not.toBe('00000000000000000000')
  })

  test('with synchronous flush are taken in once they are on disk', async () => {
    await using path = await openDataPath({ config, store: { flush: 'sync' } })
    sendTimed(path, 'm', START_MS + 1000)
    await path.advance(999)
    for (let i = 0; i < 3; i++) {
      await path.store.flushed()
      await path.turn()
    }
    expect(await bodiesIn(path)).toEqual([])
    await path.advance(1)
    await path.store.flushed()
    expect(await bodiesIn(path)).toEqual(['m'])
  })

  test('do not begin on a wheel of another size', async () => {
    const path = await openDataPath()
    await path[Symbol.asyncDispose]()
    const file = path.disk.open('/store/timerwheel', 'create')
    file.setSize(4096)
    file.close()
    const error = await errorOf(() => openDataPath({ disk: path.disk }))
    expect(error).toMatchObject({ code: 'STORE_FILE_CHANGED' })
  })
})

describe('timed messages and the clock', () => {
  test('set forwards are delivered by the new time', async () => {
    await using path = await openDataPath()
    sendTimed(path, 'far', START_MS + 20 * DAY_MS)
    sendTimed(path, 'farther', START_MS + 30 * DAY_MS)
    await path.advance(TAKEN_MS)
    path.clock.setWall(START_MS + 25 * DAY_MS)
    await path.advance(1000)
    expect(await bodiesIn(path)).toEqual(['far'])
  })

  test('set back wait for their moment, and new ones for theirs', async () => {
    await using path = await openDataPath()
    sendTimed(path, 'delivered', START_MS + 5000)
    sendTimed(path, 'at 60 s', START_MS + 60_000)
    await path.advance(20_000)
    path.clock.setWall(START_MS)
    await path.advance(1000)
    sendTimed(path, 'at 5 s', START_MS + 5000)
    await path.advance(3999)
    expect(await bodiesIn(path)).toEqual(['delivered'])
    await path.advance(1)
    expect(await bodiesIn(path)).toEqual(['delivered', 'at 5 s'])
    await path.advance(54_999)
    expect(await bodiesIn(path)).toHaveLength(2)
    await path.advance(1)
    expect(await bodiesIn(path)).toEqual(['delivered', 'at 5 s', 'at 60 s'])
  })
})

test('a second that comes again after the clock was set back holds what was sent for it since, also for Apache RocketMQ', async () => {
  const path = await openDataPath()
  sendTimed(path, 'delivered', START_MS + 5000)
  await path.advance(TAKEN_MS)
  await path.advance(20_000)
  path.clock.setWall(START_MS)
  await path.advance(1000)
  sendTimed(path, 'again', START_MS + 5000)
  await path.advance(TAKEN_MS)
  await path[Symbol.asyncDispose]()
  path.disk.remove('/store/varve/timer') // Which only Varve knows.
  await using next = await openDataPath({ disk: path.disk, clock: path.clock })
  await next.advance(20_000)
  expect(await bodiesIn(next)).toEqual(['delivered', 'again'])
})

describe('the files of the timer', () => {
  test('say how far delivery is, as Apache RocketMQ reads it', async () => {
    const path = await openDataPath()
    for (let i = 0; i < 3; i++) sendTimed(path, `${i}`, START_MS + 2000 + 60_000 * i)
    await path.advance(10_000)
    await path[Symbol.asyncDispose]()
    const check = new DataView(contentOf(path.disk, '/store/config/timercheck').buffer)
    expect(check.byteLength).toBe(4096)
    expect(Number(check.getBigInt64(0))).toBe(Math.floor(path.clock.nowMs() / 1000) * 1000)
    expect(Number(check.getBigInt64(8))).toBe(3 * 52)
    expect(Number(check.getBigInt64(16))).toBe(3)
    expect(Number(check.getBigInt64(24))).toBe(3)
  })
})
