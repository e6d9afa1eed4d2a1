import { describe, expect, test } from 'vitest'
import { AssertionError, freshSeed, type Random, seededRandom } from '../../src/base/index.ts'

const numbers = (random: Random, count: number) => Array.from({ length: count }, () => random.uint32())

describe('random numbers from a seed', () => {
  test('are the same for the same seed, on every machine', () => {
    expect(numbers(seededRandom(42), 4)).toEqual(numbers(seededRandom(42), 4))
    expect(numbers(seededRandom(42), 4)).toMatchInlineSnapshot(`
      [
        3893884377,
        145076852,
        3246010591,
        4141225530,
      ]
    `)
  })

  test('differ for seeds that differ in one bit, low or high', () => {
    const firsts = [0, 1, 2, 2 ** 31, 2 ** 32, 2 ** 52].map(seed => seededRandom(seed).uint32())
    expect(new Set(firsts).size).toBe(firsts.length)
  })

  test('name their seed, so that a failure can be replayed', () => {
    const seed = freshSeed()
    expect(seededRandom(seed).seed).toBe(seed)
  })

  test.each([-1, 0.5, Number.NaN, 2 ** 53])('are refused for the seed %d', seed => {
    expect(() => seededRandom(seed)).toThrow(AssertionError)
  })

  test('fill their range evenly', () => {
    const random = seededRandom(7)
    const seen = new Array<number>(10).fill(0)
    for (let round = 0; round < 100_000; round++) seen[random.below(10)]! += 1
    for (const count of seen) expect(Math.abs(count - 10_000)).toBeLessThan(500) // Five standard deviations.
  })

  test('between two bounds reach both and nothing outside', () => {
    const random = seededRandom(8)
    const seen = new Set(Array.from({ length: 200 }, () => random.between(-1, 2)))
    expect([...seen].sort((a, b) => a - b)).toEqual([-1, 0, 1, 2])
  })

  test('as fractions stay in [0, 1)', () => {
    const random = seededRandom(9)
    const fractions = Array.from({ length: 10_000 }, () => random.fraction())
    expect(Math.min(...fractions)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...fractions)).toBeLessThan(1)
  })

  test('make a chance of 0 never and of 1 always come true', () => {
    const random = seededRandom(10)
    const tries = (probability: number) => Array.from({ length: 1_000 }, () => random.chance(probability))
    expect(tries(0)).not.toContain(true)
    expect(tries(1)).not.toContain(false)
    expect(tries(0.5)).toEqual(expect.arrayContaining([true, false]))
  })

  test('shuffle a copy that keeps every item', () => {
    const items = Array.from({ length: 100 }, (_, index) => index)
    const shuffled = seededRandom(11).shuffled(items)
    expect(shuffled).not.toEqual(items)
    expect([...shuffled].sort((a, b) => a - b)).toEqual(items)
  })

  test('pick only what is there, and refuse to pick from nothing', () => {
    const random = seededRandom(12)
    expect(new Set(Array.from({ length: 100 }, () => random.pick(['a', 'b'])))).toEqual(new Set(['a', 'b']))
    expect(() => random.pick([])).toThrow(AssertionError)
  })

  test('fill bytes of any length', () => {
    expect(seededRandom(13).bytes(0)).toHaveLength(0)
    expect(new Set(seededRandom(13).bytes(10_000)).size).toBe(256)
  })

  test('of a fork do not depend on how many are drawn from its parent afterwards', () => {
    const left = seededRandom(14)
    const right = seededRandom(14)
    const fork = left.fork()
    const sameFork = right.fork()
    numbers(right, 5)
    expect(numbers(fork, 4)).toEqual(numbers(sameFork, 4))
    expect(numbers(seededRandom(14), 4)).not.toEqual(numbers(seededRandom(14).fork(), 4))
  })
})
