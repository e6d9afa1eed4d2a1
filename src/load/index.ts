/** Loads for brokers and stores, and what is measured under them. The benchmarks and `varve bench` share it. */
export { bodies, HASHED_COUNT, hashOf } from './bodies.ts'
export { decideFirst, sendFirst } from './broker-calls.ts'
export { type Comparison, comparisonOf, type Difference, reportsIn } from './compare.ts'
export { type Address, addressOf } from './connection.ts'
export { Histogram, type Latency } from './histogram.ts'
export type { LoadSettings } from './load.ts'
export { runLoad } from './loads.ts'
export {
  figuresOf,
  type LoadResult,
  measured,
  type StreamLoad,
  type StreamResult,
  streamLoad,
  type WindowLoad,
  windowLoad
} from './loops.ts'
export { machineFacts } from './machine.ts'
export type { Extent } from './meter.ts'
export { privateMiB, processCpuUs, type ResidentMemory, residentMemory } from './process-facts.ts'
export { accepted, inTurn, isRefusal } from './refused.ts'
export {
  type CaseResult,
  type Environment,
  type Measurement,
  type Report,
  type Spread,
  spreadOf,
  type Verdict,
  type Work
} from './report.ts'
export { runStoreLoad, type StoreLoadSettings } from './store-load.ts'
export type { Instant, Timeline, Watch } from './timeline.ts'
