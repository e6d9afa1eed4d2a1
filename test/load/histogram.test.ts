/** What the percentiles of every broker's figures rest on. */
import { describe, expect, test } from 'vitest'
import { Histogram } from '../../src/load/histogram.ts'

describe('a histogram', () => {
  test.each([0.0007, 0.05, 0.139, 1, 7.3, 120, 4_000, 30_000])('holds %d ms to one per cent', ms => {
    const histogram = new Histogram()
    histogram.recordMs(ms)
    histogram.recordMs(ms * 2) // So that the largest, which is kept exactly, is another.
    expect(Math.abs(histogram.percentileUs(50) / (ms * 1000) - 1)).toBeLessThan(0.01)
  })

  test('has a percentile where that share of what was recorded lies below it', () => {
    const histogram = new Histogram()
    for (let ms = 1; ms <= 1000; ms++) histogram.recordMs(ms)
    const { p50Us, p99Us, p999Us, maxUs } = histogram.latency()
    const shares = [p50Us / 500_000, p99Us / 990_000, p999Us / 999_000]
    for (const share of shares) expect(Math.abs(share - 1)).toBeLessThan(0.01)
    expect(maxUs).toBe(1_000_000)
  })

  test('counts what is longer than it has buckets for in the last one, and says the largest exactly', () => {
    const histogram = new Histogram()
    histogram.recordMs(1)
    histogram.recordMs(3_600_000)
    expect(histogram.count).toBe(2)
    expect(histogram.percentileUs(100)).toBeGreaterThan(30e6)
    expect(histogram.latency().maxUs).toBe(3.6e9)
  })

  test('added to another counts what both have counted', () => {
    const [one, two] = [new Histogram(), new Histogram()]
    for (let ms = 1; ms <= 50; ms++) one.recordMs(ms)
    for (let ms = 51; ms <= 100; ms++) two.recordMs(ms)
    one.add(two)
    expect(one.count).toBe(100)
    expect(Math.abs(one.percentileUs(90) / 90_000 - 1)).toBeLessThan(0.01)
    expect(one.maxUs).toBe(100_000)
  })

  test('tells no percentile that its count cannot know, and always the longest', () => {
    const histogram = new Histogram()
    for (let ms = 1; ms <= 100; ms++) histogram.recordMs(ms)
    const { percentiles } = histogram.latency()
    expect(percentiles.map(([percent]) => percent)).toEqual([1, 10, 25, 50, 75, 90, 95, 99, 100])
    expect(percentiles.at(-1)).toEqual([100, 100_000])
  })

  test('is empty again after a reset, and then has no percentile', () => {
    const histogram = new Histogram()
    histogram.recordMs(5)
    histogram.reset()
    expect(histogram.latency()).toEqual({ p50Us: 0, p99Us: 0, p999Us: 0, maxUs: 0, percentiles: [] })
  })
})
