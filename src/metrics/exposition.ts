/** The metrics as text, in the Prometheus exposition format 0.0.4, which every collector reads. */
import type { Histogram } from './histogram.ts'
import type { Family, HistogramFamily, Labels, Registry, Sample } from './registry.ts'

export const EXPOSITION_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** So many lines at most are made in one go. */
const LINES_PER_PIECE = 256

/** A family without instruments is left out. The work follows the number of instruments, not what they counted. */
export function exposition(registry: Registry, common?: Labels): string {
  return [...expositionPieces(registry, common)].join('')
}

/**
 * The same text in pieces, for a thread that has other work: it can be left alone between any two of them. `common`
 * are labels that every sample gets.
 */
export function* expositionPieces(registry: Registry, common: Labels = {}): Generator<string> {
  const prefix = labelPairs(common)
  for (const family of registry.families()) {
    const samples = samplesOf(family)[Symbol.iterator]()
    let next = samples.next()
    if (next.done) continue
    let text = head(family)
    for (let lines = 1; !next.done; next = samples.next(), lines++) {
      const { labels = {}, value, suffix = '' } = next.value
      text += sampleLine(family.name + suffix, [...prefix, ...labelPairs(labels)], value)
      if (lines % LINES_PER_PIECE > 0) continue
      yield text
      text = ''
    }
    if (text !== '') yield text
  }
}

function head(family: Family): string {
  const type = family.type === 'sampled' ? family.shownAs : family.type
  return `# HELP ${family.name} ${escapeHelp(family.help)}\n# TYPE ${family.name} ${type}\n`
}

function* samplesOf(family: Family): Iterable<Sample> {
  switch (family.type) {
    case 'sampled':
      yield* family.samples()
      return
    case 'histogram':
      for (const { labels, instrument } of family.members.values()) yield* histogramSamples(family, labels, instrument)
      return
    default:
      for (const { labels, instrument } of family.members.values()) yield { labels, value: instrument.value }
  }
}

function* histogramSamples(
  { octaves, recordedPerUnit }: HistogramFamily,
  labels: Labels,
  histogram: Histogram
): Iterable<Sample> {
  for (let exponent = octaves.from; exponent <= octaves.until; exponent++) {
    const le = numberText(2 ** exponent / recordedPerUnit)
    yield { suffix: '_bucket', labels: { ...labels, le }, value: histogram.countUpToPower(exponent) }
  }
  yield { suffix: '_bucket', labels: { ...labels, le: '+Inf' }, value: histogram.count }
  yield { suffix: '_sum', labels, value: histogram.sum / recordedPerUnit }
  yield { suffix: '_count', labels, value: histogram.count }
}

const labelPairs = (labels: Labels): string[] =>
  Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`)

const sampleLine = (name: string, pairs: readonly string[], value: number): string =>
  `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${numberText(value)}\n`

/** The format spells infinity its own way; everything else is as JavaScript prints it. */
const numberText = (value: number) => String(value).replace('Infinity', 'Inf').replace(/^Inf/, '+Inf')

const escapeHelp = (text: string) => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
const escapeLabel = (text: string) => escapeHelp(text).replaceAll('"', '\\"')
