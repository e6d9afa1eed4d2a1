/**
 * The ratios that stand in the README, each with the command behind it. They are printed from the baseline, so that the README
 * says what was measured: `npm run bench -- --headline`, and a test that the two agree.
 */
import type { Measurement, Report } from '../src/load/index.ts'
import { readBaseline } from './baseline.ts'
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

const headlines: readonly Headline[] = [
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

export function headlineTable(): string {
  const baseline = readBaseline(HEADLINE_BASELINE)
  if (baseline === undefined) throw new Error(`there is no baseline ${HEADLINE_BASELINE}`)
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
