/** The metrics as text, in the Prometheus exposition format 0.0.4, which every collector reads. */
import type { Histogram } from './histogram.ts'
import type { Family, HistogramFamily, Labels, Registry } from './registry.ts'

export const EXPOSITION_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** A family without instruments is left out. The work follows the number of instruments, not what they counted. */
export function exposition(registry: Registry): string {
  let text = ''
  for (const family of registry.families()) {
    if (family.members.size > 0) text += familyText(family)
  }
  return text
}

function familyText(family: Family): string {
  const lines = [`# HELP ${family.name} ${escapeHelp(family.help)}`, `# TYPE ${family.name} ${family.type}`]
  if (family.type === 'histogram') {
    for (const { labels, instrument } of family.members.values())
      lines.push(...histogramLines(family, labels, instrument))
  } else {
    for (const { labels, instrument } of family.members.values())
      lines.push(sample(family.name, labels, instrument.value))
  }
  return `${lines.join('\n')}\n`
}

function histogramLines(
  { name, octaves, recordedPerUnit }: HistogramFamily,
  labels: Labels,
  histogram: Histogram
): string[] {
  const lines: string[] = []
  for (let exponent = octaves.from; exponent <= octaves.until; exponent++) {
    const bound = numberText(2 ** exponent / recordedPerUnit)
    lines.push(sample(`${name}_bucket`, { ...labels, le: bound }, histogram.countUpToPower(exponent)))
  }
  lines.push(sample(`${name}_bucket`, { ...labels, le: '+Inf' }, histogram.count))
  lines.push(sample(`${name}_sum`, labels, histogram.sum / recordedPerUnit))
  lines.push(sample(`${name}_count`, labels, histogram.count))
  return lines
}

function sample(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`)
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${numberText(value)}`
}

/** The format spells infinity its own way; everything else is as JavaScript prints it. */
const numberText = (value: number) => String(value).replace('Infinity', 'Inf').replace(/^Inf/, '+Inf')

const escapeHelp = (text: string) => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
const escapeLabel = (text: string) => escapeHelp(text).replaceAll('"', '\\"')
