import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DueHeap } from '../../../src/broker/delay/due-heap.ts'

test('a heap of due messages gives them in the order of their times, equal ones in the order of their ranks', () => {
  const item = fc.record({ due: fc.integer({ min: 0, max: 20 }), isPop: fc.boolean() })
  fc.assert(
    fc.property(fc.array(item, { maxLength: 3000 }), items => {
      const heap = new DueHeap()
      const model: { due: number; rank: number }[] = []
      for (const [rank, { due, isPop }] of items.entries()) {
        heap.push(due, rank, 1000 * due, 10 * rank, rank % 8)
        model.push({ due, rank })
        if (!isPop) continue
        model.sort((a, b) => a.due - b.due || a.rank - b.rank)
        const first = model.shift()
        expect([heap.dueAtMs, heap.slotMs, heap.position, heap.magic]).toEqual([
          first!.due,
          1000 * first!.due,
          10 * first!.rank,
          first!.rank % 8
        ])
        heap.pop()
      }
      expect(heap.count).toBe(model.length)
    }),
    { numRuns: 50 }
  )
})

test('a heap that held many gives the room back', () => {
  const heap = new DueHeap()
  for (let i = 0; i < 100_000; i++) heap.push(100_000 - i, i, 0, i, 1)
  for (let i = 1; i <= 100_000; i++) {
    if (heap.dueAtMs !== i) throw new Error(`${heap.dueAtMs} comes where ${i} should`)
    heap.pop()
  }
  expect(heap.dueAtMs).toBe(Number.POSITIVE_INFINITY)
})
