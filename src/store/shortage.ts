/**
 * Shortage: something of which the system has too little for now: room on the disk, open files, mappings.
 *
 * It passes, and nothing is lost by waiting for that: the part that has met it tries again from time to time, and says in
 * shared memory what it waits for, so that whoever appends too far ahead of it is told the reason.
 *
 * Invariants:
 * - what a part has refused for a shortage has changed nothing: the same step may be made again
 * - each part takes back only what it has said itself
 */
import { VarveError } from '../base/index.ts'
import { type Progress, type Role, SLOT } from './progress.ts'

const CODES = ['STORE_DISK_FULL', 'STORE_FILE_LIMIT', 'STORE_MAP_LIMIT'] as const
const ROLES: readonly Role[] = ['allocator', 'flusher', 'dispatcher']

export type ShortageCode = (typeof CODES)[number]

export type Shortage = VarveError & { readonly code: ShortageCode }

export function isShortage(error: unknown): error is Shortage {
  return error instanceof VarveError && (CODES as readonly string[]).includes(error.code)
}

/** Said by the part that tries again later. */
export function noteShortage(progress: Progress, role: Role, { code }: Shortage): void {
  progress.setBits(SLOT.shortages, bitOf(role, code))
}

/** Said by the same part once it has gone on. */
export function clearShortage(progress: Progress, role: Role): void {
  progress.clearBits(
    SLOT.shortages,
    CODES.reduce((bits, code) => bits | bitOf(role, code), 0)
  )
}

/** What any part waits for; the disk first. */
export function shortageOf(progress: Progress): ShortageCode | undefined {
  const bits = progress.count(SLOT.shortages)
  if (bits === 0) return undefined
  return CODES.find(code => ROLES.some(role => (bits & bitOf(role, code)) !== 0))
}

const bitOf = (role: Role, code: ShortageCode): number =>
  1 << (ROLES.indexOf(role) * CODES.length + CODES.indexOf(code))
