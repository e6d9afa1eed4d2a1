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
export { GiB, hourMs, KiB, MiB, minuteMs, PAGE_BYTES, type PhysicalOffset, type QueueOffset, secondMs } from './units.ts'
