/** Counters, gauges and histograms, and their text for collectors. */
export { Counter } from './counter.ts'
export { EXPOSITION_CONTENT_TYPE, exposition, expositionPieces } from './exposition.ts'
export { type Gauge, ReadGauge, SettableGauge } from './gauge.ts'
export { Histogram } from './histogram.ts'
export {
  type Family,
  type HistogramFamily,
  type HistogramName,
  type Labels,
  type MetricName,
  Registry,
  type Sample,
  type SampledFamily
} from './registry.ts'
