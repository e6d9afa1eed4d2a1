/** The judge of test/clients must see what goes wrong: each wrong here is one that it was made for. */
import { describe, expect, test } from 'vitest'
import { acknowledgedIn, complaints } from './judge.mjs'
import { queueComplaints } from './order-judge.mjs'

const TOPIC = 't'
const place = (id: number) => ({ broker: 'b', queueId: id % 2, queueOffset: Math.floor(id / 2) })
const sent = (id: number) => ({ event: 'sent', topic: TOPIC, id, status: 'SEND_OK', ...place(id) })
const consumed = (id: number) => ({ event: 'consumed', topic: TOPIC, by: 'c', id, intact: true, ...place(id) })

const acknowledged = acknowledgedIn([0, 1, 2, 3].map(sent), TOPIC)
const all = [0, 1, 2, 3].map(consumed)

describe('the judge of journals', () => {
  test('has nothing to say when each message arrives once, whole, in order and where it was put', () => {
    expect(complaints({ acknowledged, consumed: all, ordered: true })).toEqual([])
  })

  test.each([
    ['a message that is lost', all.slice(1), 'acknowledged but never consumed: 0'],
    ['one that nobody sent', [...all, consumed(7)], 'consumed but not meant to arrive: 7'],
    ['one that is damaged', all.with(2, { ...consumed(2), intact: false }), 'consumed with another body: 2'],
    ['one that comes twice', [...all, consumed(3)], 'consumed more than once: 3'],
    [
      'one in another place',
      all.with(1, { ...consumed(1), queueOffset: 9 }),
      'consumed elsewhere than acknowledged: 1 (c: b 1 9)'
    ],
    ['one that overtakes another of its queue', [2, 0, 1, 3].map(consumed), 'out of order in its queue: 2 (c: b 0 1)']
  ])('complains about %s', (_, got, complaint) => {
    expect(complaints({ acknowledged, consumed: got, ordered: true })).toContain(complaint)
  })

  test('complains about an acknowledgement that does not mean stored', () => {
    const timedOut = acknowledgedIn([{ ...sent(0), status: 'FLUSH_DISK_TIMEOUT' }], TOPIC)
    expect(complaints({ acknowledged: timedOut, consumed: [consumed(0)] })).toEqual([
      'acknowledged as something else than stored: 0: FLUSH_DISK_TIMEOUT'
    ])
  })

  test('takes a batch apart', () => {
    const batch = { event: 'sentBatch', topic: TOPIC, from: 4, count: 2, status: 'SEND_OK', broker: 'b', queueId: 0 }
    expect([...acknowledgedIn([{ ...batch, queueOffset: 9 }], TOPIC).values()]).toMatchObject([
      { id: 4, queueId: 0, queueOffset: 9 },
      { id: 5, queueId: 0, queueOffset: 10 }
    ])
  })

  test('lets a message come again when queues changed owners, but not behind one that is new', () => {
    const again = [0, 2, 0, 2, 1, 3].map(consumed)
    expect(complaints({ acknowledged, consumed: again, repeats: 'some', ordered: true })).toEqual([])
  })

  test('lets a message that was stored twice arrive from both places, but not from none that was acknowledged', () => {
    const elsewhere = { ...consumed(3), queueOffset: 8 }
    expect(complaints({ acknowledged, consumed: [...all, elsewhere], repeats: 'some' })).toEqual([])
    expect(complaints({ acknowledged, consumed: [...all.slice(0, 3), elsewhere], repeats: 'some' })).toEqual([
      'consumed elsewhere than acknowledged: 3 (c: b 1 8)'
    ])
  })
})

describe('the judge of order', () => {
  const MS = 1000
  const KEYS = 2
  const stored = acknowledgedIn([0, 1, 2, 3, 4, 5].map(sent), TOPIC)
  /** In hand from the first moment until the second; without a second, never done. */
  const turn = (id: number, fromMs: number, untilMs?: number) => [
    { event: 'consumed', id, us: fromMs * MS, queueId: 0, queueOffset: id },
    ...(untilMs === undefined ? [] : [{ event: 'handled', id, us: untilMs * MS }])
  ]
  const judged = (members: Record<string, readonly ReturnType<typeof turn>[]>, endedMs?: number) =>
    queueComplaints({
      members: Object.entries(members).map(([name, turns]) => ({
        name,
        ...(endedMs !== undefined && name === 'dead' && { endedUs: endedMs * MS }),
        lines: turns.flat()
      })),
      sent: stored,
      keyOf: id => id % KEYS
    })

  test('has nothing to say of one after the other, whoever has the queue', () => {
    const turns = [turn(0, 1, 2), turn(1, 3, 4), turn(2, 5, 6)]
    expect(judged({ a: turns, b: [turn(3, 7, 8), turn(4, 9, 10), turn(5, 11, 12)] })).toEqual([])
  })

  test('lets what a dead member had in hand, and a little before it, come again to who takes over', () => {
    const dead = [turn(0, 1, 2), turn(1, 3, 4), turn(2, 5)]
    expect(judged({ dead, b: [turn(1, 20, 21), turn(2, 22, 23), turn(3, 24, 25)] }, 9)).toEqual([])
  })

  test('lets it come again to the same member, once the queue has stood still', () => {
    expect(judged({ a: [turn(0, 1, 2), turn(0, 600, 601), turn(2, 602, 603)] })).toEqual([])
  })

  test.each([
    [
      'a queue of which two have messages in hand',
      { a: [turn(0, 1, 5)], b: [turn(1, 4, 6)] },
      'in hand of two at once'
    ],
    [
      'one that took over while the other was not dead',
      { dead: [turn(0, 1)], b: [turn(1, 4, 6)] },
      'in hand of two at once'
    ],
    ['a key that goes backwards', { a: [turn(0, 1, 2), turn(2, 3, 4), turn(0, 5, 6)] }, 'a key went backwards'],
    ['a message that comes again at once', { a: [turn(0, 1, 2), turn(0, 3, 4)] }, 'a key went backwards'],
    ['a message that is overtaken', { a: [turn(0, 1, 2), turn(4, 3, 4)] }, 'a key was skipped'],
    ['a new holder that begins behind', { a: [turn(0, 1, 2)], b: [turn(4, 3, 4)] }, 'a key was skipped']
  ])('complains about %s', (_, members, complaint) => {
    expect(judged(members, 9).join()).toContain(complaint)
  })
})
