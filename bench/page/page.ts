/**
 * The report as one page that needs nothing else: what was measured where, the ratios at a glance, and for each benchmark its
 * figures, its claims and its plots. It is made from the reports alone, so that any report.json can be drawn again.
 */
import type { Measurement, Report } from '../../src/load/index.ts'
import {
  type Axis,
  escaped,
  type Line,
  linearAxis,
  linePlot,
  logAxis,
  percentAxis,
  type RatioBar,
  ratioPlot,
  shortNumber,
  significant,
  timeText
} from './svg.ts'

export interface RunFacts {
  /** How the run was called. */
  readonly command: string
  readonly seconds: number
  readonly failures: readonly { readonly benchmark: string; readonly error: string }[]
}

const COLOURS: Readonly<Record<string, string>> = {
  varve: '#0b8a8f',
  candidate: '#0b8a8f',
  apache: '#d9731a',
  reference: '#8a8f98',
  files: '#8a8f98'
}
const PALETTE = ['#0b8a8f', '#d9731a', '#6d4bc3', '#c2334d', '#3b7ddd', '#5d8a1f', '#a8761c'] as const

const GROUPS: Readonly<Record<string, string>> = {
  broker: 'Broker, on the wire',
  store: 'Store, in the process',
  protocol: 'Protocol',
  layout: 'Layouts',
  'native-bindings': 'Native code',
  long: 'Long runs'
}

export function reportPage(reports: readonly Report[], facts: RunFacts): string {
  const groups = grouped(reports, ({ benchmark }) => benchmark.split('/')[0] ?? '')
  // The broker first: it is what most readers came for.
  const order = [...groups.keys()].sort((a, b) => placeOf(a) - placeOf(b))
  const body = [
    head(reports, facts),
    overview(reports),
    claims(reports),
    sweeps(reports),
    ...order.map(group => section(GROUPS[group] ?? group, groups.get(group) ?? []))
  ].join('\n')
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Varve benchmarks</title>
<style>${STYLE}</style>
</head>
<body>
<main>
${body}
</main>
</body>
</html>
`
}

const placeOf = (group: string): number => {
  const index = Object.keys(GROUPS).indexOf(group)
  return index === -1 ? Number.POSITIVE_INFINITY : index
}

function head(reports: readonly Report[], { command, seconds, failures }: RunFacts): string {
  const environment = reports[0]?.environment
  const rows: [string, string][] =
    environment === undefined
      ? []
      : [
          ['machine', listed(environment.machine)],
          ['versions', listed(environment.versions)],
          ['commit', environment.commit],
          ['when', environment.atIso],
          ['command', command],
          ['took', `${Math.round(seconds / 6) / 10} min, ${reports.length} benchmarks`]
        ]
  const failed = failures.map(
    ({ benchmark, error }) => `<p class="missed">${escaped(benchmark)} failed: ${escaped(error)}</p>`
  )
  return `<header><h1>Varve benchmarks</h1>
<dl>${rows.map(([name, value]) => `<dt>${name}</dt><dd>${escaped(value)}</dd>`).join('')}</dl>
<p>Sides take turns and do the same work, which is checked. A ratio of one run says a lot; a rate of a shared machine says
little by itself. CPU is that of the whole process until everything is stored.</p>${failed.join('')}</header>`
}

/** How much more of what is wanted the first side has, for every ratio against somebody else. */
function overview(reports: readonly Report[]): string {
  const bars = (of: string) =>
    reports.flatMap(({ benchmark, ratios }) =>
      ratios
        .filter(ratio => ratio.of === of && ratio.median > 0 && Number.isFinite(ratio.median))
        .map(
          ({ a, b, median, min, max }): RatioBar => ({
            name: `${benchmark}${a === 'varve' || a === 'candidate' ? '' : ` ${a}`} / ${b}`,
            median,
            min,
            max,
            colour: colourOf(b, 1)
          })
        )
    )
  const parts = [
    { title: 'Rate against each other side: more is better', bars: bars('rate') },
    { title: 'CPU per message against each other side: less is better', bars: bars('cpuUsPerMessage') },
    { title: 'Time against the reference beside it: less is better', bars: bars('time') }
  ].filter(part => part.bars.length > 0)
  if (parts.length === 0) return ''
  return `<section><h2>At a glance</h2>${parts.map(({ title, bars }) => `<h3>${title}</h3>${ratioPlot(bars)}`).join('')}</section>`
}

function claims(reports: readonly Report[]): string {
  const rows = reports.flatMap(({ benchmark, verdicts }) => verdicts.map(verdict => ({ benchmark, ...verdict })))
  if (rows.length === 0) return ''
  const held = rows.filter(({ holds }) => holds).length
  const cells = rows.map(
    ({ benchmark, claim, reached, holds, gate }) =>
      `<tr><td><a href="#${anchor(benchmark)}">${escaped(benchmark)}</a></td><td>${escaped(claim)}</td>` +
      `<td class="number">${significant(reached)}</td><td class="${holds ? 'holds' : 'missed'}">${holds ? 'holds' : 'missed'}</td>` +
      `<td>${gate ? 'ratio of this run' : 'of this machine'}</td></tr>`
  )
  return `<section><h2>Claims: ${held} of ${rows.length} hold</h2>
<table><thead><tr><th>benchmark</th><th>claim</th><th>reached</th><th></th><th></th></tr></thead><tbody>${cells.join('')}</tbody></table></section>`
}

/** Cost against number: sides called NAME@NUMBER are points of one curve. */
function sweeps(reports: readonly Report[]): string {
  const plots = reports.flatMap(report => {
    const { sweep } = report
    if (sweep === undefined) return []
    return sweep === 'backlog'
      ? backlogPlots(report)
      : [sweepPlot(report, sweep, 'rate'), sweepPlot(report, sweep, 'cpu')]
  })
  return plots.length === 0
    ? ''
    : `<section><h2>Cost against numbers</h2><div class="plots">${plots.join('')}</div></section>`
}

function sweepPlot({ benchmark, medians }: Report, sweep: string, figure: 'rate' | 'cpu'): string {
  const curves = grouped(medians, ({ name }) => name.split('@')[0] ?? '')
  const lines = [...curves].map(([name, sides], index): Line => {
    const points = sides.map(side => [Number(side.name.split('@')[1]), figureOf(side, figure)] as const)
    return { name, colour: colourOf(name, index), points: [...points].sort((a, b) => a[0] - b[0]) }
  })
  const xs = lines.flatMap(({ points }) => points.map(([x]) => x))
  const ys = lines.flatMap(({ points }) => points.map(([, y]) => y))
  return linePlot({
    title: `${benchmark}: ${figure === 'rate' ? 'rate' : 'CPU per message'} by ${sweep}`,
    x: logAxis(sweep, xs, shortNumber),
    y: linearAxis(figure === 'rate' ? 'messages/s' : 'us a message', ys),
    lines
  })
}

/** The rate while the backlog grows: what has been sent by then is the backlog. */
function backlogPlots({ benchmark, medians }: Report): string[] {
  const lines = medians.flatMap(({ name, timeline }, index): Line[] => {
    if (timeline === undefined) return []
    let stored = 0
    let fromSeconds = 0
    const points = timeline.rate.map((rate, step): [number, number] => {
      const seconds = timeline.seconds[step] ?? fromSeconds
      stored += rate * (seconds - fromSeconds)
      fromSeconds = seconds
      return [stored, rate]
    })
    return [{ name, colour: colourOf(name, index), points }]
  })
  if (lines.length === 0) return []
  const all = lines.flatMap(({ points }) => points)
  const x = linearAxis(
    'messages stored',
    all.map(([stored]) => stored)
  )
  const y = linearAxis(
    'messages/s',
    all.map(([, rate]) => rate)
  )
  return [linePlot({ title: `${benchmark}: rate by backlog`, x, y, lines })]
}

const figureOf = ({ rate, cpuUsPerMessage }: Measurement, figure: 'rate' | 'cpu') =>
  figure === 'rate' ? rate : cpuUsPerMessage

function section(title: string, reports: readonly Report[]): string {
  return `<section><h2>${escaped(title)}</h2>${reports.map(card).join('\n')}</section>`
}

function card(report: Report): string {
  const { benchmark, question, medians, ratios, verdicts, leftOut, rounds } = report
  const ratioLines = ratios.map(
    ({ of, a, b, median, min, max }) =>
      `<li>${escaped(a)} / ${escaped(b)}, ${escaped(of)}: <b>×${significant(median)}</b> <small>×${significant(min)} to ×${significant(max)}</small></li>`
  )
  const verdictLines = verdicts.map(
    ({ claim, reached, holds }) =>
      `<li class="${holds ? 'holds' : 'missed'}">${holds ? 'holds' : 'missed'}: ${escaped(claim)}, reached ${significant(reached)}</li>`
  )
  const without = leftOut.map(({ name, why }) => `<li>without ${escaped(name)}: ${escaped(why)}</li>`)
  const settings = medians.map(({ name, settings, details }) => {
    const more = Object.keys(details).length === 0 ? '' : `<br><small>${escaped(listed(details))}</small>`
    return `<p><b>${escaped(name)}</b> ${escaped(listed(settings))}${more}</p>`
  })
  return `<article id="${anchor(benchmark)}"><h3>${escaped(benchmark)}</h3><p class="question">${escaped(question)} <small>${rounds === 1 ? '1 round' : `${rounds} rounds`}</small></p>
${figures(medians)}
<ul>${[...ratioLines, ...verdictLines, ...without].join('')}</ul>
<div class="plots">${[latencyPlot(medians), ...timePlots(report)].join('')}</div>
<details><summary>settings and details</summary>${settings.join('')}</details></article>`
}

function figures(medians: readonly Measurement[]): string {
  const rateMax = Math.max(...medians.map(({ rate }) => rate))
  const cpuMax = Math.max(...medians.map(({ cpuUsPerMessage }) => cpuUsPerMessage))
  const has = (figure: 'p50Us' | 'p99Us' | 'p999Us' | 'maxUs') => medians.some(side => side[figure] !== undefined)
  const latencies = (['p50Us', 'p99Us', 'p999Us', 'maxUs'] as const).filter(has)
  const names = { p50Us: 'p50', p99Us: 'p99', p999Us: 'p99.9', maxUs: 'max' }
  const rows = medians.map((side, index) => {
    const colour = colourOf(side.name, index)
    const latency = latencies.map(
      figure => `<td class="number">${side[figure] === undefined ? '' : timeText(side[figure])}</td>`
    )
    return `<tr><td><i style="background:${colour}"></i>${escaped(side.name)}</td>${bar(side.rate, rateMax, colour)}${bar(side.cpuUsPerMessage, cpuMax, colour)}${latency.join('')}</tr>`
  })
  const heads = ['', 'messages/s', 'CPU us/message', ...latencies.map(figure => names[figure])]
  return `<table><thead><tr>${heads.map(text => `<th>${text}</th>`).join('')}</tr></thead><tbody>${rows.join('')}</tbody></table>`
}

function bar(value: number, max: number, colour: string): string {
  const percent = max > 0 ? Math.max(0.5, (100 * value) / max) : 0
  return `<td class="bar"><span style="width:${percent.toFixed(1)}%;background:${colour}"></span><b>${significant(value)}</b></td>`
}

function latencyPlot(medians: readonly Measurement[]): string {
  const lines = medians.flatMap(({ name, percentiles = [] }, index): Line[] => {
    const points = percentiles.filter(([percent, us]) => percent >= 50 && us > 0)
    return points.length < 2 ? [] : [{ name, colour: colourOf(name, index), points }]
  })
  if (lines.length === 0) return ''
  const all = lines.flatMap(({ points }) => points)
  return linePlot({
    title: 'Latency by percentile',
    x: percentAxis(
      'per cent of messages',
      all.map(([percent]) => percent)
    ),
    y: logAxis(
      'latency',
      all.map(([, us]) => us),
      timeText
    ),
    lines
  })
}

/** Rate over time, each run a line and the first the strongest; memory where it was looked at. */
function timePlots({ runs }: Report): string[] {
  const plot = (title: string, unit: string, column: 'rate' | 'cpuPercent' | 'privateMiB') => {
    const names = [...new Set(runs.flatMap(run => run.map(({ name }) => name)))]
    const lines = runs.flatMap((run, round) =>
      run.flatMap(({ name, timeline }): Line[] => {
        const values = timeline?.[column]
        if (timeline === undefined || values === undefined || values.length < 3) return []
        const points = values.map((value, step) => [timeline.seconds[step] ?? 0, value] as const)
        return [{ name, colour: colourOf(name, names.indexOf(name)), points, isFaint: round > 0 }]
      })
    )
    if (lines.length === 0) return []
    const all = lines.flatMap(({ points }) => points)
    const x: Axis = linearAxis(
      'seconds',
      all.map(([seconds]) => seconds)
    )
    return [
      linePlot({
        title,
        x,
        y: linearAxis(
          unit,
          all.map(([, value]) => value)
        ),
        lines
      })
    ]
  }
  return [
    ...plot('Throughput over time', 'messages/s', 'rate'),
    ...plot('CPU over time', '% of a core', 'cpuPercent'),
    ...plot('Private memory over time', 'MiB', 'privateMiB')
  ]
}

function colourOf(name: string, index: number): string {
  return COLOURS[name] ?? PALETTE[index % PALETTE.length] ?? PALETTE[0]
}

function grouped<Value>(values: readonly Value[], keyOf: (value: Value) => string): Map<string, Value[]> {
  const groups = new Map<string, Value[]>()
  for (const value of values) groups.set(keyOf(value), [...(groups.get(keyOf(value)) ?? []), value])
  return groups
}

const anchor = (benchmark: string): string => benchmark.replaceAll('/', '-')

function listed(values: Readonly<Record<string, string | number | boolean>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name} ${typeof value === 'number' ? significant(value) : value}`)
    .join(' · ')
}

const STYLE = `
:root{color-scheme:light dark;--ink:#1b2430;--soft:#5b6675;--line:#dfe4ea;--card:#fff;--page:#f4f6f8;--good:#1d7a46;--bad:#c0392b}
@media(prefers-color-scheme:dark){:root{--ink:#e3e8ee;--soft:#9aa7b5;--line:#2c3642;--card:#171e26;--page:#0f141a;--good:#5ecb8d;--bad:#ff8377}}
*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);font:14px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1120px;margin:0 auto;padding:28px 20px 60px}h1{font-size:26px;margin:0 0 12px}h2{font-size:19px;margin:34px 0 10px}h3{font-size:15px;margin:14px 0 4px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:0}dt{color:var(--soft)}dd{margin:0}header p{color:var(--soft);max-width:80ch}
article{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 18px;margin:12px 0}.question{margin:0 0 8px;color:var(--soft)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}th{text-align:left;font-weight:500;color:var(--soft);font-size:12px}
th,td{padding:4px 10px 4px 0;border-bottom:1px solid var(--line)}.number{white-space:nowrap}
td i,.legend i{display:inline-block;width:10px;height:10px;border-radius:2px;margin-right:7px}
.bar{position:relative;min-width:150px}.bar span{position:absolute;left:0;top:5px;bottom:5px;opacity:.28;border-radius:2px}.bar b{position:relative;font-weight:600;padding-left:6px}
ul{list-style:none;padding:0;margin:8px 0;display:flex;flex-wrap:wrap;gap:2px 22px}.holds{color:var(--good)}.missed{color:var(--bad);font-weight:600}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(400px,1fr));gap:10px 18px}figure{margin:6px 0}figcaption{font-weight:600;font-size:13px}
.legend{display:flex;flex-wrap:wrap;gap:0 14px;font-size:12px;color:var(--soft)}svg{width:100%;height:auto}svg.wide{max-width:900px}
svg text{fill:var(--soft);font-size:11px}svg text.axis{font-size:11px}svg text.value{fill:var(--ink);font-weight:600}.grid{stroke:var(--line);stroke-width:1}.one{stroke:var(--soft);stroke-width:1.5}.spread{stroke:var(--ink);stroke-width:1.5}
details{color:var(--soft)}details p{margin:6px 0}small{color:var(--soft);font-weight:400}a{color:inherit}`
