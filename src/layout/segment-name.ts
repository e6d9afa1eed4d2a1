/**
 * Names of the files of a queue of files (commit log, consume queues, timer log): the position of their first byte in
 * the whole queue, as 20 decimal digits, so that sorting by name sorts by position.
 */
import { assert } from '../base/index.ts'

const NAME_LENGTH = 20

export function segmentName(base: number): string {
  assert(Number.isSafeInteger(base) && base >= 0, 'a file starts at a position of its queue')
  return String(base).padStart(NAME_LENGTH, '0')
}

/** Undefined if the name is not one of ours, or of a position that a number cannot hold exactly. */
export function parseSegmentName(name: string): number | undefined {
  if (!/^\d{20}$/.test(name)) return undefined
  const base = Number(name)
  return Number.isSafeInteger(base) ? base : undefined
}
