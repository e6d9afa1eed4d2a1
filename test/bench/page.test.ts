/** The page of a run: it needs nothing else, shows what the reports hold, and each figure stands where its benchmark does. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { reportPage } from '../../bench/page/page.ts'
import { writeRun } from '../../bench/page/run-files.ts'
import { linearAxis, logAxis, percentAxis, shortNumber, timeText } from '../../bench/page/svg.ts'
import { type Measurement, type Report, reportsIn } from '../../src/load/index.ts'

function side(name: string, more: Partial<Measurement> = {}): Measurement {
  return {
    name,
    messages: 1000,
    seconds: 1,
    rate: 123_456,
    cpuUsPerMessage: 6.54,
    work: { count: 1, hash: '' },
    settings: { flush: 'async' },
    details: { drainMs: 7 },
    ...more
  }
}

const withPlots = side('varve', {
  p50Us: 100,
  p99Us: 1500,
  percentiles: [
    [50, 100],
    [90, 400],
    [99, 1500],
    [100, 9000]
  ],
  timeline: { seconds: [1, 2, 3], rate: [90, 100, 110], p99Us: [1, 1, 1], privateMiB: [50, 51, 52] }
})

function report(more: Partial<Report> = {}): Report {
  const medians = more.medians ?? [withPlots, side('apache')]
  return {
    benchmark: 'broker/send',
    question: 'how many <messages> & why',
    environment: {
      machine: { cpu: 'a CPU', cores: 2 },
      versions: { node: 'v20' },
      commit: 'abc1234',
      atIso: '2026-01-01T00:00:00.000Z'
    },
    rounds: 1,
    ratios: [{ of: 'rate', a: 'varve', b: 'apache', median: 2.5, min: 2.4, max: 2.6 }],
    verdicts: [{ claim: 'varve / apache, rate at least 2.2', reached: 2.5, holds: true, gate: true }],
    leftOut: [{ name: 'lmdb', why: 'not asked for' }],
    runs: [medians],
    ...more,
    medians
  }
}

const facts = { command: 'npm run bench', seconds: 600, failures: [{ benchmark: 'store/x', error: 'no <room>' }] }

test('the page loads nothing from anywhere and runs nothing', () => {
  const page = reportPage([report()], facts)
  expect(page).not.toMatch(/https?:|<script|<link|<img|@import|url\(|\ssrc=/)
  expect(page).toMatch(/^<!doctype html>/)
})

test('machine, versions, commit, command and failures are on it, and what is text stays text', () => {
  const page = reportPage([report()], facts)
  for (const text of ['a CPU', 'node v20', 'abc1234', 'npm run bench', '10 min', 'how many &lt;messages&gt; &amp; why'])
    expect(page).toContain(text)
  expect(page).toContain('store/x failed: no &lt;room&gt;')
  expect(page).toContain('Claims: 1 of 1 hold')
  expect(page).toContain('without lmdb: not asked for')
})

test.each([
  { plot: 'Latency by percentile', isThere: true },
  { plot: 'Throughput over time', isThere: true },
  { plot: 'Private memory over time', isThere: true },
  { plot: 'CPU over time', isThere: false }
])('a plot "$plot" is drawn where there is something to draw: $isThere', ({ plot, isThere }) => {
  expect(reportPage([report()], facts).includes(plot)).toBe(isThere)
  expect(reportPage([report({ medians: [side('varve')] })], facts)).not.toContain(plot)
})

test('sides that are points of a curve become one, and a growing backlog is drawn over what is stored', () => {
  const points = [1, 100, 10_000].map(count => side(`varve@${count}`, { rate: 1000 / count }))
  const sweep = reportPage([report({ medians: points, sweep: 'topics' })], facts)
  expect(sweep).toContain('broker/send: rate by topics')
  expect(sweep).toContain('broker/send: CPU per message by topics')
  expect(sweep).toContain('>10k</text>')
  const backlog = reportPage([report({ benchmark: 'long/backlog', sweep: 'backlog' })], facts)
  expect(backlog).toContain('long/backlog: rate by backlog')
})

test('no number on it is none', () => {
  const page = reportPage([report(), report({ benchmark: 'store/y', medians: [side('varve', { rate: 0 })] })], facts)
  expect(page).not.toMatch(/NaN|Infinity|undefined/)
})

test('a run without any report is a page too', () => {
  expect(reportPage([], facts)).toContain('Varve benchmarks')
})

test('beside the page lies what varve bench compare reads', () => {
  const directory = mkdtempSync(join(tmpdir(), 'varve-bench-page-'))
  try {
    writeRun(directory, { ...facts, reports: [report()] })
    expect(reportsIn('report.json', readFileSync(join(directory, 'report.json'), 'utf8'))).toHaveLength(1)
    expect(readFileSync(join(directory, 'index.html'), 'utf8')).toContain('broker/send')
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test.each([
  { axis: linearAxis('', [0, 870]), ticks: ['0', '500', '1k'], middle: 500, at: 0.5 },
  { axis: logAxis('', [20, 900], timeText), ticks: ['10 us', '100 us', '1 ms'], middle: 100, at: 0.5 },
  { axis: percentAxis('', [50, 90, 99, 100]), ticks: ['50', '90', '99', 'max'], middle: 100, at: 1 }
])('an axis has ticks $ticks, and $middle stands at $at', ({ axis, ticks, middle, at }) => {
  expect(axis.ticks.map(({ text }) => text)).toEqual(ticks)
  expect(axis.at(middle)).toBeCloseTo(at)
})

test.each([
  { value: 1_234_567, text: '1.23M' },
  { value: 12_000, text: '12k' },
  { value: 0.25, text: '0.25' }
])('$value is $text', ({ value, text }) => {
  expect(shortNumber(value)).toBe(text)
})
