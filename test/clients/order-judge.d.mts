/** Types of order-judge.mjs, for its test. */
import type { JournalLine } from './judge.mjs'

export interface MemberJournal {
  readonly name: string
  readonly endedUs?: number
  readonly lines: readonly JournalLine[]
}

export function queueComplaints(given: {
  readonly members: readonly MemberJournal[]
  readonly sent: ReadonlyMap<number, JournalLine>
  readonly keyOf: (id: number) => number
}): string[]
