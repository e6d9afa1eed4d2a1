import { expect, test } from 'vitest'
import { orderCheck } from '../../src/load/order-check.ts'

const queue = (queueId: number) => ({ topic: 'T', queueId })

test('numbers that grow within each queue are in order, whatever other queues have', () => {
  const check = orderCheck()
  for (const [number, queueId] of [
    [0, 0],
    [5, 1],
    [3, 0],
    [9, 1],
    [4, 0]
  ] as const)
    check(number, queue(queueId))
})

test.each([
  { what: 'overtaken', numbers: [1, 3, 2] },
  { what: 'there twice', numbers: [1, 2, 2] }
])('a message that was $what is noticed', ({ numbers }) => {
  const check = orderCheck()
  expect(() => {
    for (const number of numbers) check(number, queue(0))
  }).toThrow(/LOAD_FAILED.*message 2 came behind/)
})
