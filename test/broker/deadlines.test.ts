/** When deadlines are told: each once, never early, in their order, however many there are and however far away. */
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../src/base/index.ts'
import { DeadlineNode, Deadlines } from '../../src/broker/deadlines.ts'
import { Alarms } from '../support/data-path.ts'
import { SettableClock } from '../support/settable-clock.ts'

function setUp() {
  const clock = new SettableClock()
  const alarms = new Alarms(clock)
  const told: { node: DeadlineNode; atMs: number }[] = []
  const deadlines = new Deadlines<DeadlineNode>({ clock, alarm: alarms.make() }, node =>
    told.push({ node, atMs: clock.monotonicMs() })
  )
  const add = (dueAtMs: number): DeadlineNode => {
    const node = new DeadlineNode()
    deadlines.add(node, dueAtMs)
    return node
  }
  /** Step by step from alarm to alarm, as time passes. */
  const advanceTo = (ms: number): void => {
    while (alarms.nextAtMs <= ms) {
      clock.advance(Math.max(0, alarms.nextAtMs - clock.monotonicMs()))
      alarms.ring()
    }
    clock.advance(ms - clock.monotonicMs())
  }
  return { clock, alarms, told, deadlines, add, advanceTo }
}

const WHEEL_MS = 16_384

describe('a deadline', () => {
  test.each([0, 0.25, 1, 3, 4, 1000.5, 15_000, WHEEL_MS - 1, WHEEL_MS, WHEEL_MS + 1, 3 * WHEEL_MS + 5, 3_600_000])(
    'after %d ms is told then: not before, and less than a millisecond late',
    dueAtMs => {
      const { told, add, advanceTo, deadlines } = setUp()
      const node = add(dueAtMs)
      advanceTo(dueAtMs - 0.125)
      expect(told).toEqual([])
      advanceTo(dueAtMs + 1)
      expect(told.map(one => one.node)).toEqual([node])
      expect(told[0]?.atMs).toBeGreaterThanOrEqual(dueAtMs)
      expect(deadlines.count).toBe(0)
    }
  )

  test('that is removed is not told, and may be set anew', () => {
    const { told, add, deadlines, advanceTo } = setUp()
    const node = add(10)
    deadlines.remove(node)
    deadlines.remove(node)
    advanceTo(20)
    expect(told).toEqual([])
    deadlines.add(node, 30)
    advanceTo(31)
    expect(told).toHaveLength(1)
  })

  test('earlier than all others brings the alarm forward', () => {
    const { alarms, add } = setUp()
    add(5000)
    expect(alarms.nextAtMs).toBe(5000)
    add(70)
    expect(alarms.nextAtMs).toBe(70)
    add(6000)
    expect(alarms.nextAtMs).toBe(70)
  })

  test('of which several are due at once is told in order, though the thread was held up', () => {
    const { clock, alarms, told, add } = setUp()
    const nodes = [40, 10, 42, 41].map(add)
    clock.advance(100_000)
    alarms.ring()
    expect(told.map(({ node }) => node)).toEqual([nodes[1], nodes[0], nodes[3], nodes[2]])
  })

  test('is told of none after the end', () => {
    const { alarms, add, deadlines } = setUp()
    add(10)
    deadlines.close()
    expect(alarms.nextAtMs).toBe(Number.POSITIVE_INFINITY)
  })

  test('among thousands that come and go is kept', () => {
    const random = seededRandom(7)
    const { clock, told, add, deadlines, advanceTo } = setUp()
    const waiting = new Set<DeadlineNode>()
    for (let step = 0; step < 3000; step++) {
      for (let i = random.below(4); i > 0; i--) waiting.add(add(clock.monotonicMs() + random.below(4 * WHEEL_MS)))
      for (const node of waiting) {
        if (!random.chance(0.002)) continue
        waiting.delete(node)
        deadlines.remove(node)
      }
      advanceTo(clock.monotonicMs() + random.below(60))
      for (const { node, atMs } of told.splice(0)) {
        expect(waiting.delete(node)).toBe(true)
        expect(atMs - node.dueAtMs).toBeGreaterThanOrEqual(0)
        expect(atMs - node.dueAtMs).toBeLessThan(1)
      }
      for (const { dueAtMs } of waiting) if (dueAtMs < clock.monotonicMs() - 1) throw new Error(`${dueAtMs} is late`)
      expect(deadlines.count).toBe(waiting.size)
    }
  })
})
