/** Taking timed messages back: handles, what they are refused for, and that nothing else is lost by it. */
import { describe, expect, test } from 'vitest'
import { draftOfRecall, type RecallHandle, readRecallHandle, recallHandleOf } from '../../../src/broker/index.ts'
import { BORN_HOST, type DataPath, openDataPath, TOPIC } from '../../support/data-path.ts'
import { START_MS } from '../../support/settable-clock.ts'
import { errorOf } from '../../support/store-fixtures.ts'
import { afterRestart, bodiesIn, send, sendTimed } from './delay-path.ts'

const config = { recallMessageEnable: true }

function handleOf({ topic, outMs, uniqueKey }: { topic: string; outMs: number; uniqueKey: string }): string {
  return recallHandleOf({ topic, brokerName: 'broker-a', outMs, uniqueKey })
}

const recall = (path: DataPath, handle: string, topic = TOPIC) =>
  send(
    path,
    draftOfRecall(
      { producerGroup: 'p', topic, handle, bornHost: BORN_HOST },
      { config: path.config, topics: path.tables.topics, clock: path.clock }
    )
  )

describe('a handle', () => {
  test('is what clients of Apache RocketMQ know, and comes back as it was', () => {
    const handle = recallHandleOf({ topic: 'orders', brokerName: 'b', outMs: 1000, uniqueKey: 'AC11>?' })
    expect(handle).toBe(
      Buffer.from('v1 orders b 1001 AC11>?').toString('base64').replace(/\+/g, '-').replace(/\//g, '_')
    )
    const read: RecallHandle = { topic: 'orders', brokerName: 'b', atMs: 1001, uniqueKey: 'AC11>?' }
    expect(readRecallHandle(handle)).toEqual(read)
  })

  test.each([
    ['nothing', ''],
    ['no base64', '%%%'],
    ['another version', Buffer.from('v2 t b 1 k').toString('base64url')],
    ['a part too few', Buffer.from('v1 t b 1').toString('base64url')],
    ['a part too many', Buffer.from('v1 t b 1 k x').toString('base64url')],
    ['a time that is none', Buffer.from('v1 t b x k').toString('base64url')]
  ])('that is %s is refused', async (_, handle) => {
    expect((await errorOf(() => readRecallHandle(handle)))?.code).toBe('RECALL_HANDLE_INVALID')
  })
})

describe('a timed message that is taken back', () => {
  test('is not delivered, and all others are', async () => {
    await using path = await openDataPath({ config })
    const handles = ['a', 'b', 'c'].map(body => handleOf(sendTimed(path, body, START_MS + 5000)))
    const other = handleOf(sendTimed(path, 'other', START_MS + 5000, { topic: 'other' }))
    expect(recall(path, handles[1]!).uniqueKey).toBe(readRecallHandle(handles[1]!).uniqueKey)
    recall(path, other, 'other')
    await path.advance(6000)
    expect(await bodiesIn(path)).toEqual(['a', 'c'])
    expect(path.store.queues('other')).toEqual([])
    expect(Object.fromEntries(path.delayed.timedCounts.all())).toMatchObject({ [TOPIC]: { waiting: 0 } })
  })

  test('may be taken back while its second is at hand, and again', async () => {
    await using path = await openDataPath({ config })
    const handle = handleOf(sendTimed(path, 'a', START_MS + 3000))
    await path.advance(2500)
    recall(path, handle)
    recall(path, handle)
    await path.advance(5000)
    expect(await bodiesIn(path)).toEqual([])
  })

  test('stays so after a restart, and after going round', async () => {
    const more = { ...config, timerRollWindowSlot: 10 }
    const path = await openDataPath({ config: more })
    const handle = handleOf(sendTimed(path, 'a', START_MS + 60_000))
    sendTimed(path, 'b', START_MS + 60_000)
    for (let i = 0; i < 40; i++) await path.advance(500)
    recall(path, handle)
    for (let i = 0; i < 20; i++) await path.advance(500)
    await using next = await afterRestart(path, { config: more })
    for (let i = 0; i < 80; i++) await next.advance(500)
    expect(await bodiesIn(next)).toEqual(['b'])
  })

  test.each<{
    what: string
    given?: Partial<DataPath['config']>
    topic?: string
    handle?: string
    afterMs?: number
    code: string
  }>([
    { what: 'that is turned off', given: { recallMessageEnable: false }, code: 'PERMISSION_DENIED' },
    { what: 'of a slave', given: { brokerRole: 'SLAVE' }, code: 'BROKER_IS_SLAVE' },
    {
      what: 'before sends are taken',
      given: { startAcceptSendRequestTimeStamp: START_MS + 99_999 },
      code: 'BROKER_UNAVAILABLE'
    },
    {
      what: 'where nothing may be written',
      given: { brokerPermission: 4, allowRecallWhenBrokerNotWriteable: false },
      code: 'BROKER_UNAVAILABLE'
    },
    { what: 'of an unknown topic', topic: 'unknown', code: 'TOPIC_UNKNOWN' },
    { what: 'of another topic', topic: 'TBW102', code: 'RECALL_HANDLE_INVALID' },
    {
      what: 'of another broker',
      handle: recallHandleOf({ topic: TOPIC, brokerName: 'b', outMs: START_MS + 1000, uniqueKey: 'k' }),
      code: 'RECALL_HANDLE_INVALID'
    },
    { what: 'that comes too late', afterMs: 5000, code: 'RECALL_HANDLE_INVALID' },
    {
      what: 'for a time too far ahead',
      handle: recallHandleOf({
        topic: TOPIC,
        brokerName: 'broker-a',
        outMs: START_MS + 41 * 86_400_000,
        uniqueKey: 'k'
      }),
      code: 'RECALL_HANDLE_INVALID'
    },
    { what: 'by no handle', handle: 'x', code: 'RECALL_HANDLE_INVALID' }
  ])('$what: $code', async ({ given, topic = TOPIC, handle, afterMs = 0, code }) => {
    await using path = await openDataPath({ config })
    const known = handleOf(sendTimed(path, 'a', START_MS + 5000))
    Object.assign(path.config, given)
    await path.advance(afterMs)
    const before = path.store.info().appendedUntil
    expect((await errorOf(() => recall(path, handle ?? known, topic)))?.code).toBe(code)
    expect(path.store.info().appendedUntil).toBe(before)
  })
})
