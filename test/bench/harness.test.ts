import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { chosen } from '../../bench/catalogue.ts'
import { alternate, type Benchmark, type BenchOptions, type Contender, compare } from '../../bench/harness.ts'
import { printReport } from '../../bench/report.ts'
import { type Measurement, spreadOf, streamLoad, type Work, windowLoad } from '../../src/load/index.ts'

let options: BenchOptions

beforeEach(() => {
  const directory = mkdtempSync(join(tmpdir(), 'varve-bench-test-'))
  options = { smoke: true, peers: false, directory, progress: () => {} }
})

afterEach(() => rmSync(options.directory, { recursive: true, force: true }))

const benchmark: Benchmark = {
  name: 'test/one',
  question: 'which is faster',
  run: () => Promise.reject(new Error('unused'))
}

function measurement(rate: number, work: Work = { count: 10, hash: 'a' }): Measurement {
  return {
    name: '',
    messages: 10,
    seconds: 10 / rate,
    rate,
    cpuUsPerMessage: 1,
    work,
    settings: {},
    details: { drainMs: 5 }
  }
}

function contender(name: string, rates: readonly number[], work?: Work): Contender {
  return { name, run: async ({ round }) => measurement(rates[round] ?? 0, work) }
}

describe('compare', () => {
  test('prints nothing for sides whose work differs', async () => {
    const sides = { reference: () => ({ count: 1, hash: 1 }), candidate: () => ({ count: 1, hash: 2 }) }
    await expect(compare(benchmark, options, sides)).rejects.toThrow('both sides came to the same result')
  })

  test('notices a side whose work changes while it is timed', async () => {
    let calls = 0
    const sides = {
      reference: () => ({ count: 1, hash: 1 }),
      candidate: () => ({ count: 1, hash: calls++ < 3 ? 1 : 2 })
    }
    await expect(compare(benchmark, options, sides)).rejects.toThrow('both sides came to the same result')
  })

  test('says that a bound was missed, as a gate', async () => {
    const spin = (turns: number) => () => {
      let sum = 0
      for (let turn = 0; turn < turns; turn++) sum += Math.sqrt(turn)
      return { count: 1, hash: sum > 0 ? 1 : 0 }
    }
    const sides = { reference: spin(100), candidate: spin(100_000), ratioMax: 2, roundMs: 1, rounds: 3 }
    const { verdicts, ratios } = await compare(benchmark, { ...options, smoke: false }, sides)
    expect(ratios[0]?.median).toBeGreaterThan(2)
    expect(verdicts).toMatchObject([{ holds: false, gate: true }])
  })
})

describe('alternate', () => {
  test('takes turns back and forth, each in a fresh directory that is removed', async () => {
    const order: string[] = []
    const leaving = (name: string): Contender => ({
      name,
      run: async ({ directory }) => {
        order.push(name)
        expect(readdirSync(directory)).toEqual([])
        writeFileSync(join(directory, 'left behind'), '')
        return measurement(1)
      }
    })
    await alternate(benchmark, { ...options, rounds: 2 }, { contenders: [leaving('a'), leaving('b')], bounds: [] })
    expect(order).toEqual(['a', 'b', 'b', 'a'])
    expect(readdirSync(options.directory)).toEqual([])
  })

  test('prints medians of the sides, and the median of the ratios of each round', async () => {
    const contenders = [contender('a', [100, 200, 400]), contender('b', [100, 100, 800])]
    const report = await alternate(benchmark, { ...options, rounds: 3 }, { contenders, bounds: [] })
    expect(report.medians.map(({ name, rate }) => [name, rate])).toEqual([
      ['a', 200],
      ['b', 100]
    ])
    expect(report.ratios[0]).toEqual({ of: 'rate', a: 'a', b: 'b', median: 1, min: 0.5, max: 2 })
    expect(printReport(report)).toContain('a / b, rate: ×1  (3 rounds, ×0.5 to ×2)')
  })

  test.each([
    { differs: 'the hash', work: { count: 10, hash: 'b' }, says: 'both sides came to the same result' },
    { differs: 'the count', work: { count: 11, hash: 'a' }, says: 'both sides handled as many' }
  ])('prints nothing when $differs differs', async ({ work, says }) => {
    const contenders = [contender('a', [1]), contender('b', [1], work)]
    await expect(alternate(benchmark, options, { contenders, bounds: [] })).rejects.toThrow(says)
  })

  test.each([
    { bound: { side: 'a', against: 'b', of: 'rate', atLeast: 1.1 }, verdict: { holds: false, gate: true, reached: 1 } },
    { bound: { side: 'a', against: 'b', of: 'rate', atLeast: 0.9 }, verdict: { holds: true, gate: true, reached: 1 } },
    { bound: { side: 'a', of: 'drainMs', atMost: 4 }, verdict: { holds: false, gate: false, reached: 5 } }
  ])('judges $bound', async ({ bound, verdict }) => {
    const contenders = [contender('a', [100]), contender('b', [100])]
    const sized = { ...options, smoke: false, rounds: 1 }
    const { verdicts } = await alternate(benchmark, sized, { contenders, bounds: [bound], keepCache: true })
    expect(verdicts).toMatchObject([verdict])
  })

  test.each([
    { rates: [50], holds: false },
    { rates: [80], holds: true }
  ])('is content with a rate of $rates that is good enough by itself: $holds', async ({ rates, holds }) => {
    const contenders = [contender('a', rates), contender('b', [100])]
    const bounds = [{ side: 'a', against: 'b', of: 'rate', atLeast: 0.9, orElseAtLeast: 60 }]
    const sized = { ...options, smoke: false, rounds: 1 }
    const { verdicts } = await alternate(benchmark, sized, { contenders, bounds, keepCache: true })
    expect(verdicts).toMatchObject([{ holds, claim: 'a / b, rate at least 0.9, or rate at least 60' }])
  })

  test.each([
    { isHeadline: false, sides: ['a'] },
    { isHeadline: true, sides: ['a', 'b'] }
  ])(
    'takes one round of a quick run, with what is slow to warm up only in a headline ($isHeadline)',
    async ({ isHeadline, sides }) => {
      const contenders = [contender('a', [1]), { ...contender('b', [1]), isSlow: true }]
      const quick = { ...options, smoke: false, quick: true }
      const report = await alternate(benchmark, quick, { contenders, bounds: [], keepCache: true, isHeadline })
      expect(report.medians.map(({ name }) => name)).toEqual(sides)
      expect(report.rounds).toBe(1)
    }
  )

  test('names a side that was left out, and drops its bounds', async () => {
    const contenders = [
      contender('a', [1]),
      { ...contender('b', [1]), isPeer: true },
      { ...contender('c', [1]), whyNot: () => 'no room' }
    ]
    const bounds = [{ side: 'a', against: 'b', of: 'rate', atLeast: 1 }]
    const report = await alternate(
      benchmark,
      { ...options, smoke: false, rounds: 1 },
      { contenders, bounds, keepCache: true }
    )
    expect(report.verdicts).toEqual([])
    expect(report.leftOut).toEqual([
      { name: 'b', why: 'peers were not asked for' },
      { name: 'c', why: 'no room' }
    ])
  })

  test('removes the directory of a side that failed', async () => {
    const failing: Contender = { name: 'a', run: () => Promise.reject(new Error('on purpose')) }
    await expect(alternate(benchmark, options, { contenders: [failing], bounds: [] })).rejects.toThrow('on purpose')
    expect(readdirSync(options.directory)).toEqual([])
    expect(existsSync(options.directory)).toBe(true)
  })
})

describe('the load loops', () => {
  test('a stream hands over every message once, in order, though some calls are refused', async () => {
    const taken: number[] = []
    let refusals = 0
    const load = await streamLoad({
      extent: { count: 300 },
      perCall: 3,
      write: first => {
        if (first % 90 === 0 && refusals <= first / 90) {
          refusals++
          return false
        }
        taken.push(first)
        return true
      }
    })
    expect(taken).toEqual(Array.from({ length: 100 }, (_, call) => call * 3))
    expect(refusals).toBe(4)
    expect(load).toMatchObject({ messages: 300, all: 300 })
  })

  test('a window never has more in flight than writers, and waits for all', async () => {
    let inFlight = 0
    let inFlightMax = 0
    const written = new Set<number>()
    const load = await windowLoad({
      extent: { count: 50 },
      window: 8,
      write: async index => {
        inFlightMax = Math.max(inFlightMax, ++inFlight)
        await new Promise(resolve => setImmediate(resolve))
        written.add(index)
        inFlight--
      }
    })
    expect(inFlightMax).toBe(8)
    expect(written.size).toBe(50)
    expect(load.messages).toBe(50)
  })

  test('what happens in the warm-up is counted but not measured', async () => {
    const load = await streamLoad({
      extent: { seconds: 0.01, warmUpSeconds: 0.5 },
      perCall: 1,
      timeEach: true,
      write: () => true
    })
    expect(load.messages).toBeGreaterThan(0)
    expect(load.all).toBeGreaterThan(load.messages)
    expect(load.seconds).toBeLessThan(0.5)
  })
})

test.each([
  { values: [3, 1, 2], spread: { median: 2, min: 1, max: 3 } },
  { values: [4, 1, 2, 3], spread: { median: 2.5, min: 1, max: 4 } }
])('the spread of $values is $spread', ({ values, spread }) => {
  expect(spreadOf(values)).toEqual(spread)
})

test('benchmarks are chosen by name or by folder, and a wrong name is refused', () => {
  const named = (name: string): Benchmark => ({ ...benchmark, name })
  const from = [named('store/a'), named('store/b'), named('layout/a')]
  expect(chosen(from, ['store']).map(({ name }) => name)).toEqual(['store/a', 'store/b'])
  expect(chosen(from, ['layout/a']).map(({ name }) => name)).toEqual(['layout/a'])
  expect(chosen(from, [])).toEqual(from)
  expect(() => chosen(from, ['stor'])).toThrow('no benchmark is called stor')
})
