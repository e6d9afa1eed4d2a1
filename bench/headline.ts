/**
 * The ratios that stand in the README, each with the command behind it. They are printed from the baseline, so that the README
 * says what was measured: `npm run bench -- --headline` writes them there, and a test says whether the two agree.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Measurement, Report } from '../src/load/index.ts'
import { readBaseline } from './baseline.ts'
import { projectRoot } from './project.ts'
import { shown } from './report.ts'

/** The baseline of the README. */
export const HEADLINE_BASELINE = '2-vcpu'

interface Headline {
  readonly what: string
  readonly benchmark: string
  readonly figure: 'rate' | 'cpuUsPerMessage' | 'p50Us' | 'p99Us'
  readonly side: string
  readonly against: string
  readonly peer: string
}

export const headlines: readonly Headline[] = [
  ...(
    [
      ['broker/send-8x64', 'messages of 1 KiB a second, 8 connections with 64 in flight', 'rate'],
      ['broker/send-8x64', 'processor time of each', 'cpuUsPerMessage'],
      ['broker/send-sync-64x1', 'the same on disk before the answer, 64 connections that wait', 'rate'],
      ['broker/send-fixed-rate', 'p99 at 20,000 messages a second', 'p99Us'],
      ['broker/pull-warm', 'messages of 1 KiB pulled a second', 'rate']
    ] as const
  ).map(([benchmark, what, figure]) => ({
    what,
    benchmark,
    figure,
    side: 'varve',
    against: 'apache',
    peer: 'Apache RocketMQ'
  })),
  {
    what: 'appends of 1 KiB a second in one process',
    benchmark: 'store/append-async-1k',
    figure: 'rate',
    side: 'varve',
    against: 'apache',
    peer: "Apache RocketMQ's store"
  },
  {
    what: 'the same in batches of 100',
    benchmark: 'store/append-batch',
    figure: 'rate',
    side: 'varve',
    against: 'lmdb',
    peer: 'lmdb'
  },
  {
    what: 'one at a time, each awaited until it is on disk',
    benchmark: 'store/append-awaited-1',
    figure: 'rate',
    side: 'varve',
    against: 'sqlite',
    peer: 'SQLite'
  }
]

const BEGIN = '<!-- headline: written by `npm run bench -- --headline` -->\n'
const END = '<!-- end of headline -->'

/** What stands in the README between the two marks. */
export function headlineIn(readme: string): string {
  const from = readme.indexOf(BEGIN)
  const until = readme.indexOf(END)
  if (from === -1 || until < from) throw new Error('the README has no place for the headline')
  return readme.slice(from + BEGIN.length, until)
}

export function writeHeadline(): string {
  const file = join(projectRoot(), 'README.md')
  const readme = readFileSync(file, 'utf8')
  const table = headlineTable()
  writeFileSync(
    file,
    readme.replace(BEGIN + headlineIn(readme), () => BEGIN + table)
  )
  return table
}

export function headlineTable(): string {
  const baseline = readBaseline(HEADLINE_BASELINE)
  if (baseline === undefined) return `No baseline \`${HEADLINE_BASELINE}\` has been kept yet.\n`
  const { machine, versions } = baseline.environment
  const rows = headlines.flatMap(headline => {
    const report = baseline.reports.find(({ benchmark }) => benchmark === headline.benchmark)
    return report === undefined ? [] : (rowOf(headline, report) ?? [])
  })
  return [
    `On ${machine.cores} processors (${machine.cpu}), Node.js ${versions.node}, ${machine.fileSystem}:`,
    '',
    '| | Varve | beside it | ratio | `npm run bench --` |',
    '|---|---|---|---|---|',
    ...rows,
    ''
  ].join('\n')
}

function rowOf({ what, benchmark, figure, side, against, peer }: Headline, report: Report): string | undefined {
  const sideOf = (name: string) => report.medians.find(median => median.name === name)
  const [own, other] = [sideOf(side), sideOf(against)]
  if (own === undefined || other === undefined) return undefined
  const ratios = report.runs.flatMap(run => {
    const [a, b] = [side, against].map(name => run.find(measured => measured.name === name)?.[figure])
    return a === undefined || b === undefined || b === 0 ? [] : [a / b]
  })
  const middle = [...ratios].sort((a, b) => a - b)[ratios.length >> 1] ?? Number.NaN
  return `| ${what} | ${inWords(own, figure)} | ${peer}: ${inWords(other, figure)} | ×${shown(middle)} | \`${benchmark}\` |`
}

function inWords(measurement: Measurement, figure: Headline['figure']): string {
  const value = measurement[figure] ?? Number.NaN
  if (figure === 'rate') return Math.round(value).toLocaleString('en')
  return value >= 1000 ? `${shown(Number((value / 1000).toPrecision(3)))} ms` : `${shown(value)} us`
}
