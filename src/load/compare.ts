/**
 * Two runs of benchmarks, figure by figure: which differ by more than chance explains.
 *
 * What chance explains is told by the rounds of each run. A figure differs when the rounds of one run all lie on one side
 * of those of the other, and the medians are further apart than a machine moves by itself. Ratios of sides that took turns
 * are compared too: a machine that was slower as a whole moves the figures, and not the ratios.
 *
 * Not here: words and columns (cli/bench/).
 */
import { VarveError } from '../base/index.ts'
import type { Measurement, Report } from './report.ts'
import { type Spread, spreadOf } from './report.ts'

export interface Difference {
  readonly benchmark: string
  /** `varve`, or `varve / apache`. */
  readonly side: string
  readonly figure: string
  readonly a: number
  readonly b: number
  /** b / a. */
  readonly ratio: number
  /** Of the fewer rounds. */
  readonly rounds: number
  readonly isBeyondNoise: boolean
  /** Whether b is better, by what the figure means. */
  readonly isBetter: boolean
}

export interface Comparison {
  readonly differences: readonly Difference[]
  /** What is not the same about machine, versions and settings: then the figures are not of the same thing. */
  readonly conditions: readonly { readonly what: string; readonly a: string; readonly b: string }[]
  readonly onlyInA: readonly string[]
  readonly onlyInB: readonly string[]
}

/** So far apart may two medians be without meaning anything: with rounds that show the spread, and without. */
const NOISE = { rounds: 0.03, fewRounds: 0.15 }
const ROUNDS_ENOUGH = 3

const FIGURES = ['rate', 'cpuUsPerMessage', 'p50Us', 'p99Us', 'p999Us'] as const

export function comparisonOf(a: readonly Report[], b: readonly Report[]): Comparison {
  const inB = new Map(b.map(report => [report.benchmark, report]))
  const pairs = a.flatMap(report => {
    const other = inB.get(report.benchmark)
    return other === undefined ? [] : [{ a: report, b: other }]
  })
  const names = (reports: readonly Report[]) => reports.map(({ benchmark }) => benchmark)
  const paired = new Set(names(pairs.map(pair => pair.a)))
  return {
    differences: pairs.flatMap(pair => [...figureDifferences(pair), ...ratioDifferences(pair)]),
    conditions: conditionsOf(pairs),
    onlyInA: names(a).filter(name => !paired.has(name)),
    onlyInB: names(b).filter(name => !paired.has(name))
  }
}

/**
 * Reports in a file: one, a list, JSON lines, or what `npm run bench` writes (`{ reports }`).
 * @throws VarveError REPORT_UNREADABLE
 */
export function reportsIn(name: string, text: string): Report[] {
  const values = jsonIn(text) ?? text.split('\n').map(line => (line.trim() === '' ? [] : jsonIn(line)))
  const found = [values].flat(2).flatMap(value => (isObject(value) && 'reports' in value ? value.reports : value))
  const reports = [found].flat(2)
  if (reports.length > 0 && reports.every(isReport)) return reports
  throw new VarveError('REPORT_UNREADABLE', { file: name })
}

interface Pair {
  readonly a: Report
  readonly b: Report
}

function figureDifferences(pair: Pair): Difference[] {
  return pair.a.medians.flatMap(({ name }) => {
    if (!pair.b.medians.some(side => side.name === name)) return []
    return FIGURES.flatMap(figure => {
      const [a, b] = [valuesOf(pair.a, name, figure), valuesOf(pair.b, name, figure)]
      if (a.length === 0 || b.length === 0) return []
      const rounds = Math.min(a.length, b.length)
      return [
        differenceOf(
          { benchmark: pair.a.benchmark, side: name, figure, rounds },
          spreadOf(a),
          spreadOf(b),
          figure === 'rate'
        )
      ]
    })
  })
}

function ratioDifferences({ a, b }: Pair): Difference[] {
  return a.ratios.flatMap(ratio => {
    const other = b.ratios.find(one => one.of === ratio.of && one.a === ratio.a && one.b === ratio.b)
    if (other === undefined) return []
    const what = {
      benchmark: a.benchmark,
      side: `${ratio.a} / ${ratio.b}`,
      figure: ratio.of,
      rounds: Math.min(a.rounds, b.rounds)
    }
    return [differenceOf(what, ratio, other, ratio.of === 'rate')]
  })
}

/** Of each round where they are kept, else the median alone. A figure that is 0 was not measured. */
function valuesOf({ runs, medians }: Report, side: string, figure: (typeof FIGURES)[number]): number[] {
  const measured = (list: readonly Measurement[]) => list.filter(({ name }) => name === side)
  const rounds = runs.flatMap(measured)
  const from = rounds.length > 0 ? rounds : measured(medians)
  return from.flatMap(measurement => measurement[figure] ?? []).filter(value => value > 0)
}

function differenceOf(
  what: Pick<Difference, 'benchmark' | 'side' | 'figure' | 'rounds'>,
  a: Spread,
  b: Spread,
  isMoreBetter: boolean
): Difference {
  const ratio = b.median / a.median
  const noise = what.rounds >= ROUNDS_ENOUGH ? NOISE.rounds : NOISE.fewRounds
  const areApart = b.min > a.max || b.max < a.min
  return {
    ...what,
    a: a.median,
    b: b.median,
    ratio,
    isBeyondNoise: areApart && Math.abs(Math.log(ratio)) > Math.log(1 + noise),
    isBetter: isMoreBetter ? ratio > 1 : ratio < 1
  }
}

type Facts = Readonly<Record<string, string | number | boolean>>

function conditionsOf(pairs: readonly Pair[]): Comparison['conditions'] {
  const found = new Map<string, { what: string; a: string; b: string }>()
  const compare = (of: string, a: Facts, b: Facts) => {
    for (const name of new Set([...Object.keys(a), ...Object.keys(b)])) {
      const [left, right] = [String(a[name] ?? '-'), String(b[name] ?? '-')]
      const what = `${of}, ${name}`
      if (left !== right) found.set(`${what} ${left} ${right}`, { what, a: left, b: right })
    }
  }
  for (const { a, b } of pairs) {
    compare('machine', a.environment.machine, b.environment.machine)
    compare(
      'versions',
      { ...a.environment.versions, commit: a.environment.commit },
      {
        ...b.environment.versions,
        commit: b.environment.commit
      }
    )
    for (const { name, settings } of a.medians) {
      const other = b.medians.find(side => side.name === name)
      if (other !== undefined) compare(`${a.benchmark} ${name}`, settings, other.settings)
    }
  }
  return [...found.values()]
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // JSON lines, or nothing of ours; the caller tells.
  }
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

function isReport(value: unknown): value is Report {
  return (
    isObject(value) &&
    typeof value.benchmark === 'string' &&
    isObject(value.environment) &&
    [value.medians, value.ratios, value.runs].every(Array.isArray)
  )
}
