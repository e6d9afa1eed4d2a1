/** The README shows what the baseline holds, and a baseline holds what was measured. */
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { baselineFile, keepBaseline, readBaseline } from '../../bench/baseline.ts'
import { benchmarks } from '../../bench/catalogue.ts'
import { headlineIn, headlines, headlineTable } from '../../bench/headline.ts'
import { projectRoot } from '../../bench/project.ts'
import { comparisonOf, type Measurement, type Report, reportsIn } from '../../src/load/index.ts'

const NAME = `test-${process.pid}`

afterEach(() => rmSync(baselineFile(NAME), { force: true }))

const environment = { machine: { cores: 2 }, versions: { node: 'v20' }, commit: 'c', atIso: '' }

function report(benchmark: string, rates: readonly number[]): Report {
  const runs = rates.map((rate): Measurement[] => [
    {
      name: 'varve',
      messages: 1,
      seconds: 1,
      rate,
      cpuUsPerMessage: 1.23456789,
      percentiles: [[50, 1]],
      timeline: { seconds: [1], rate: [1], p99Us: [1] },
      work: { count: 1, hash: '' },
      settings: { flush: 'sync' },
      details: {}
    }
  ])
  const common = { question: '', environment, ratios: [], verdicts: [], leftOut: [] }
  return { ...common, benchmark, rounds: rates.length, medians: runs[0] ?? [], runs }
}

test('the table of the README is that of its baseline', () => {
  expect(headlineIn(readFileSync(join(projectRoot(), 'README.md'), 'utf8'))).toBe(headlineTable())
})

test('every benchmark of the table exists', () => {
  const names = benchmarks.map(({ name }) => name)
  for (const { benchmark } of headlines) expect(names).toContain(benchmark)
})

test('a baseline keeps the figures of each round without plots, and what it had of other benchmarks', () => {
  keepBaseline(NAME, environment, [report('store/a', [1, 2]), report('store/b', [3])])
  keepBaseline(NAME, environment, [report('store/b', [10, 11, 12])])
  const reports = readBaseline(NAME)?.reports ?? []
  expect(reports.map(({ benchmark, rounds }) => [benchmark, rounds])).toEqual([
    ['store/a', 2],
    ['store/b', 3]
  ])
  const [kept] = reports[1]?.medians ?? []
  expect(kept).toMatchObject({ rate: 10, cpuUsPerMessage: 1.2346, settings: { flush: 'sync' } })
  expect(kept).not.toHaveProperty('timeline')
  expect(reports[1]?.runs.map(([run]) => run?.rate)).toEqual([10, 11, 12])
})

test('a later run can be held against it', () => {
  const file = keepBaseline(NAME, environment, [report('store/a', [100, 101, 102])])
  const { differences } = comparisonOf(reportsIn(file, readFileSync(file, 'utf8')), [report('store/a', [50, 51, 52])])
  expect(differences).toMatchObject([
    { figure: 'rate', isBeyondNoise: true, isBetter: false },
    { figure: 'cpuUsPerMessage', isBeyondNoise: false }
  ])
})
