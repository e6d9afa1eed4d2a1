/**
 * Delay levels: when a message in the schedule topic is due. The due time takes the place of the tag code in the
 * consume queue, so the store must compute it while it dispatches.
 *
 * Not here: delivering what is due (the broker).
 */
import { VarveError } from '../base/index.ts'
import { findProperty, PROPERTY, Span } from './properties.ts'
import type { RecordPositions } from './record.ts'
import { encodeText } from './text.ts'

export const SCHEDULE_TOPIC = 'SCHEDULE_TOPIC_XXXX'

export const DELAY_LEVELS_DEFAULT = '1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h'

const unitMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * `1s 5m 2h` as milliseconds: level n is element n - 1.
 * @throws VarveError OPTION_INVALID
 */
export function parseDelayLevels(text: string): number[] {
  return text
    .trim()
    .split(/ +/)
    .map(level => {
      const [, digits, unit] = /^(\d{1,9})([smhd])$/.exec(level) ?? []
      const ms = unit === undefined ? undefined : unitMs[unit]
      if (ms === undefined) {
        throw new VarveError('OPTION_INVALID', {
          option: 'delayLevels',
          level,
          range: 'a number and one of s, m, h, d'
        })
      }
      return Number(digits) * ms
    })
}

/**
 * When a record of the schedule topic is due. Undefined if it has no delay level: its entry then has its tag code, like
 * that of any record.
 */
export function scheduleDueAt(
  bytes: Uint8Array,
  { propertiesAt, propertiesBytes, storedAtMs }: RecordPositions,
  levelDelaysMs: readonly number[]
): number | undefined {
  findProperty(bytes, propertiesAt, propertiesAt + propertiesBytes, DELAY_LEVEL_NAME, delayLevelSpan)
  const delayLevel = readDelayLevel(bytes, delayLevelSpan)
  return delayLevel > 0 ? levelDueAt(storedAtMs, delayLevel, levelDelaysMs) : undefined
}
const DELAY_LEVEL_NAME = encodeText(PROPERTY.DELAY_LEVEL)
const delayLevelSpan = new Span()

/** Levels beyond the last count as the last; `delayLevel` is at least 1. */
export function levelDueAt(storedAtMs: number, delayLevel: number, levelDelaysMs: readonly number[]): number {
  return storedAtMs + (levelDelaysMs[Math.min(delayLevel, levelDelaysMs.length) - 1] ?? 0)
}

/** The number in a `DELAY` property; 0, which means no delay, if there is none or it is not a positive number. */
export function readDelayLevel(bytes: Uint8Array, { from, until }: Span): number {
  if (until - from > 9) return 0
  let level = 0
  for (let at = from; at < until; at++) {
    const digit = (bytes[at] as number) - 0x30 // In range by the loop.
    if (digit < 0 || digit > 9) return 0
    level = level * 10 + digit
  }
  return level
}
