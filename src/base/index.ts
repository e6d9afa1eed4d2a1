/** What every other part stands on: claims, errors, time, chance, checksums, logs and units. */
export { AssertionError, assert, unreachable } from './assert.ts'
export { type Clock, systemClock } from './clock.ts'
export {
  catalogue,
  type ErrorCode,
  type ErrorDetails,
  type ErrorReport,
  errnoOf,
  errorFromReport,
  report,
  systemError,
  VarveError
} from './errors.ts'
export { errorsDocument } from './errors-document.ts'
export { type Hash, openHash, type RunningHash } from './hash.ts'
export {
  jsonLine,
  LOG_LEVELS,
  type Log,
  type LogEntry,
  type LogFields,
  type LogFormat,
  type LogLevel,
  type LogOptions,
  type LogValue,
  openLog,
  readableLine,
  silentLog
} from './log.ts'
export { freshSeed, type Random, seededRandom } from './random.ts'
export {
  GiB,
  hourMs,
  KiB,
  MiB,
  minuteMs,
  PAGE_BYTES,
  type PhysicalOffset,
  type QueueOffset,
  secondMs
} from './units.ts'
