import { describe, expect, test } from 'vitest'
import { AssertionError, seededRandom } from '../../src/base/index.ts'
import { Histogram } from '../../src/metrics/index.ts'

function holding(...values: number[]): Histogram {
  const histogram = new Histogram()
  for (const value of values) histogram.record(value)
  return histogram
}

describe('a histogram', () => {
  test('knows count, sum and maximum exactly', () => {
    expect(holding(3, 1_000_003, 7)).toMatchObject({ count: 3, sum: 1_000_013, max: 1_000_003 })
  })

  test('is empty at first and after a reset', () => {
    const histogram = holding(5, 6)
    histogram.reset()
    for (const empty of [new Histogram(), histogram]) {
      expect(empty).toMatchObject({ count: 0, sum: 0, max: 0 })
      expect(empty.quantile(0.5)).toBe(0)
      expect(empty.countUpToPower(53)).toBe(0)
    }
  })

  test('tells any value from 0 to 2^53 to one sixteenth, never too low', () => {
    const random = seededRandom(1)
    for (let round = 0; round < 20_000; round++) {
      const value = Math.floor(2 ** (random.fraction() * 53))
      const histogram = holding(value, 2 ** 53) // The second keeps the maximum from correcting the first.
      const told = histogram.quantile(0.5)
      expect(told).toBeGreaterThanOrEqual(value)
      expect(told).toBeLessThanOrEqual(Math.max(1, value + value / 16))
    }
  })

  test('tells quantiles of many values to one sixteenth', () => {
    const random = seededRandom(2)
    const values = Array.from({ length: 10_000 }, () => random.between(1, 1_000_000)).sort((a, b) => a - b)
    const histogram = holding(...values)
    for (const fraction of [0, 0.25, 0.5, 0.9, 0.99, 0.999, 1]) {
      const exact = values[Math.max(1, Math.ceil(fraction * values.length)) - 1]!
      expect(histogram.quantile(fraction)).toBeGreaterThanOrEqual(exact)
      expect(histogram.quantile(fraction)).toBeLessThanOrEqual(exact * (1 + 1 / 16))
    }
    expect(histogram.quantile(1)).toBe(histogram.max)
  })

  test.each([0, 1, 4, 5, 10, 31, 32, 33, 52, 53])('counts exactly what is at most 2^%d', exponent => {
    const edge = 2 ** exponent
    const histogram = holding(edge - 1, edge, edge === 2 ** 53 ? edge : edge + 1)
    expect(histogram.countUpToPower(exponent)).toBe(edge === 2 ** 53 ? 3 : 2)
  })

  test('takes what lies outside its range as the nearest value inside', () => {
    const histogram = holding(-5, Number.POSITIVE_INFINITY)
    expect(histogram).toMatchObject({ count: 2, sum: 2 ** 53, max: 2 ** 53 })
    expect(histogram.countUpToPower(0)).toBe(1)
  })

  test('refuses what is no number', () => {
    expect(() => holding(Number.NaN)).toThrow(AssertionError)
  })
})
