/**
 * The metrics of one process by name. Whoever counts asks once for its instrument and keeps it; whoever serves the
 * metrics walks the families.
 *
 * A family is one name with one meaning and one instrument per set of labels. Labels must come from small sets (the
 * kind of a request, never a message id): each set of values stays in memory for the life of the process.
 *
 * Not here: the text format (exposition.ts), HTTP (server).
 */
import { assert } from '../base/index.ts'
import { Counter } from './counter.ts'
import { type Gauge, ReadGauge, SettableGauge } from './gauge.ts'
import { Histogram } from './histogram.ts'

export type Labels = Readonly<Record<string, string>>

export interface MetricName {
  /** With its unit at the end, as Prometheus has it: `varve_store_appended_bytes_total`. */
  readonly name: string
  readonly help: string
  readonly labels?: Labels
}

export interface HistogramName extends MetricName {
  /** How many of the recorded unit make one of the unit in the name: 1e9 for ns recorded under `_seconds`. Default 1. */
  readonly recordedPerUnit?: number
  /** The buckets that are printed: at 2^from, 2^(from + 1) ... 2^until of the recorded unit. Default 10 to 34. */
  readonly octaves?: { readonly from: number; readonly until: number }
}

interface FamilyOf<Type extends string, Instrument> {
  readonly type: Type
  readonly name: string
  readonly help: string
  readonly members: Map<string, { readonly labels: Labels; readonly instrument: Instrument }>
}

export interface HistogramFamily extends FamilyOf<'histogram', Histogram> {
  readonly recordedPerUnit: number
  readonly octaves: { readonly from: number; readonly until: number }
}

/** One line of a sampled family. */
export interface Sample {
  readonly labels?: Labels
  readonly value: number
  /** What histograms add to the name: `_bucket`, `_sum`, `_count`. */
  readonly suffix?: string
}

/** A family without instruments: its samples are taken where the truth lies, whenever somebody asks for the metrics. */
export interface SampledFamily {
  readonly type: 'sampled'
  readonly shownAs: 'counter' | 'gauge' | 'histogram'
  readonly name: string
  readonly help: string
  readonly samples: () => Iterable<Sample>
}

export type Family = FamilyOf<'counter', Counter> | FamilyOf<'gauge', Gauge> | HistogramFamily | SampledFamily

/** 1 µs to 17 s, when nanoseconds are recorded. */
const OCTAVES_OF_DURATIONS = { from: 10, until: 34 }

export class Registry {
  readonly #families = new Map<string, Family>()

  /** The counter of this name and these labels, the same one at each call. */
  counter(metric: MetricName): Counter {
    assert(metric.name.endsWith('_total'), 'the name of a counter ends with _total')
    const family = this.#family(metric, 'counter', () => ({ ...start(metric), type: 'counter' }))
    return member(family, metric.labels, () => new Counter())
  }

  gauge(metric: MetricName): SettableGauge {
    const family = this.#family(metric, 'gauge', () => ({ ...start(metric), type: 'gauge' }))
    const gauge = member(family, metric.labels, () => new SettableGauge())
    assert(gauge instanceof SettableGauge, `${metric.name} is set, not read`)
    return gauge
  }

  /** A gauge whose value is asked for whenever the metrics are; `read` must be cheap and must not throw. */
  readGauge(metric: MetricName, read: () => number): void {
    const family = this.#family(metric, 'gauge', () => ({ ...start(metric), type: 'gauge' }))
    assert(!family.members.has(keyOf(metric.labels)), `${metric.name} is registered once`)
    member(family, metric.labels, () => new ReadGauge(read))
  }

  histogram(metric: HistogramName): Histogram {
    const { recordedPerUnit = 1, octaves = OCTAVES_OF_DURATIONS } = metric
    const make = (): HistogramFamily => ({ ...start(metric), type: 'histogram', recordedPerUnit, octaves })
    const family = this.#family(metric, 'histogram', make)
    return member(family, metric.labels, () => new Histogram())
  }

  /** A histogram that is recorded elsewhere, by what knows of no registry. */
  readHistogram(metric: HistogramName, histogram: Histogram): void {
    const { recordedPerUnit = 1, octaves = OCTAVES_OF_DURATIONS } = metric
    const make = (): HistogramFamily => ({ ...start(metric), type: 'histogram', recordedPerUnit, octaves })
    const family = this.#family(metric, 'histogram', make)
    assert(!family.members.has(keyOf(metric.labels)), `${metric.name} is registered once`)
    member(family, metric.labels, () => histogram)
  }

  /**
   * For what comes and goes with topics and groups: nothing is registered, nothing to be removed. `samples` may be left
   * and resumed in later turns of the event loop, so it walks what bears that, and its labels must be label names.
   */
  sampled({ name, help }: MetricName, shownAs: SampledFamily['shownAs'], samples: () => Iterable<Sample>): void {
    checkName(name)
    assert(!this.#families.has(name), `${name} is registered once`)
    this.#families.set(name, { type: 'sampled', shownAs, name, help, samples })
  }

  /** Forgets one instrument, as when the topic that it counts is deleted. A missing one is no error. */
  remove(name: string, labels?: Labels): void {
    const family = this.#families.get(name)
    if (family !== undefined && family.type !== 'sampled') family.members.delete(keyOf(labels))
  }

  /** In the order of their first use. */
  families(): Iterable<Family> {
    return this.#families.values()
  }

  #family<Type extends Exclude<Family['type'], 'sampled'>>(
    { name, help, labels = {} }: MetricName,
    type: Type,
    make: () => Extract<Family, { type: Type }>
  ): Extract<Family, { type: Type }> {
    checkName(name)
    assert(Object.keys(labels).every(isLabelName), `the labels of ${name} have label names`)
    const known = this.#families.get(name)
    if (known === undefined) {
      const made = make()
      this.#families.set(name, made)
      return made
    }
    assert(known.type === type && known.help === help, `${name} means the same wherever it is asked for`)
    return known as Extract<Family, { type: Type }> // Its type was just compared.
  }
}

function checkName(name: string): void {
  assert(/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name), `${JSON.stringify(name)} is a metric name`)
}

function start({ name, help }: MetricName) {
  return { name, help, members: new Map() }
}

function member<Instrument, Made extends Instrument>(
  family: FamilyOf<string, Instrument>,
  labels: Labels = {},
  make: () => Made
): Instrument {
  const key = keyOf(labels)
  const known = family.members.get(key)
  if (known !== undefined) return known.instrument
  const instrument = make()
  family.members.set(key, { labels, instrument })
  return instrument
}

/** `le` belongs to histograms, and names that start with two underscores to Prometheus itself. */
const isLabelName = (name: string) => /^(?!__)[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) && name !== 'le'

/** The same text for the same labels in any order. */
const keyOf = (labels: Labels = {}) => JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))
