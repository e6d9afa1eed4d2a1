/** Which figures of two reports differ by more than chance, and which files hold reports at all. */
import { describe, expect, test } from 'vitest'
import { comparisonOf, type Measurement, type Report, reportsIn } from '../../src/load/index.ts'

interface Made {
  readonly benchmark?: string
  readonly rates: readonly number[]
  readonly p99Us?: readonly number[]
  readonly node?: string
  readonly flush?: string
}

function report({ benchmark = 'broker/send', rates, p99Us = [], node = 'v20', flush = 'async' }: Made): Report {
  const runs = rates.map((rate, round): Measurement[] => [
    {
      name: 'varve',
      messages: 1,
      seconds: 1,
      rate,
      cpuUsPerMessage: 5,
      ...(p99Us[round] === undefined ? {} : { p99Us: p99Us[round] }),
      work: { count: 1, hash: 0 },
      settings: { flush },
      details: {}
    }
  ])
  return {
    benchmark,
    question: '',
    environment: { machine: { cores: 2 }, versions: { node }, commit: 'c', atIso: '' },
    rounds: rates.length,
    medians: runs[0] ?? [],
    ratios: [],
    verdicts: [],
    leftOut: [],
    runs
  }
}

function rateOf(a: readonly number[], b: readonly number[]) {
  const { differences } = comparisonOf([report({ rates: a })], [report({ rates: b })])
  return differences.find(({ figure }) => figure === 'rate')
}

describe('two runs', () => {
  test.each([
    { a: [100, 101, 102], b: [110, 111, 112], is: { isBeyondNoise: true, isBetter: true } },
    { a: [110, 111, 112], b: [100, 101, 102], is: { isBeyondNoise: true, isBetter: false } },
    { a: [100, 101, 112], b: [110, 111, 112], is: { isBeyondNoise: false } },
    { a: [100, 101, 102], b: [103, 103, 103], is: { isBeyondNoise: false } },
    { a: [100], b: [110], is: { isBeyondNoise: false } },
    { a: [100], b: [120], is: { isBeyondNoise: true, rounds: 1 } }
  ])('of rates $a and $b: $is', ({ a, b, is }) => {
    expect(rateOf(a, b)).toMatchObject(is)
  })

  test('differ for the better where less is better and there is less', () => {
    const made = (p99Us: number[]) => [report({ rates: [1, 1, 1], p99Us })]
    const { differences } = comparisonOf(made([900, 950, 1000]), made([100, 110, 120]))
    const beyond = differences.filter(({ isBeyondNoise }) => isBeyondNoise)
    expect(beyond).toMatchObject([{ figure: 'p99Us', isBetter: true, a: 950, b: 110 }])
  })

  test('are compared by their ratios too, which a slower machine does not move', () => {
    const withRatio = (min: number, max: number): Report => ({
      ...report({ rates: [1, 1, 1] }),
      ratios: [{ of: 'rate', a: 'varve', b: 'apache', median: (min + max) / 2, min, max }]
    })
    const { differences } = comparisonOf([withRatio(2, 2.2)], [withRatio(1.5, 1.6)])
    expect(differences.filter(({ isBeyondNoise }) => isBeyondNoise)).toMatchObject([
      { side: 'varve / apache', figure: 'rate', isBetter: false }
    ])
  })

  test('say what is not the same about them', () => {
    const { conditions, onlyInA, onlyInB } = comparisonOf(
      [report({ rates: [1] }), report({ benchmark: 'old', rates: [1] })],
      [report({ rates: [1], node: 'v22', flush: 'sync' }), report({ benchmark: 'new', rates: [1] })]
    )
    expect(conditions).toEqual([
      { what: 'versions, node', a: 'v20', b: 'v22' },
      { what: 'broker/send varve, flush', a: 'async', b: 'sync' }
    ])
    expect([onlyInA, onlyInB]).toEqual([['old'], ['new']])
  })
})

describe('a file', () => {
  const one = report({ rates: [1] })
  test.each([
    { of: 'one report', text: JSON.stringify(one), count: 1 },
    { of: 'a list', text: JSON.stringify([one, one]), count: 2 },
    { of: 'JSON lines', text: `${JSON.stringify(one)}\n${JSON.stringify(one)}\n`, count: 2 },
    { of: 'the reports of a run', text: JSON.stringify({ reports: [one, one, one] }), count: 3 }
  ])('of $of is read', ({ text, count }) => {
    expect(reportsIn('f', text)).toHaveLength(count)
  })

  test.each(['', 'words', '{"benchmark":"x"}', '[]', '{"reports":[1]}', `${JSON.stringify(one)}\nno`])(
    'with %j holds none',
    text => {
      expect(() => reportsIn('f', text)).toThrow('REPORT_UNREADABLE')
    }
  )
})
