/** Types of judge.mjs, for its test. */
export interface JournalLine {
  readonly event?: string
  readonly id?: number
  readonly [name: string]: unknown
}

export interface Trial {
  readonly acknowledged: ReadonlyMap<number, JournalLine>
  readonly consumed: readonly JournalLine[]
  readonly mayArrive?: (id: number) => boolean
  readonly mustArrive?: (id: number) => boolean
  readonly repeats?: 'none' | 'some'
  readonly ordered?: boolean
  readonly offsets?: boolean
}

export function acknowledgedIn(journal: readonly JournalLine[], topic: string): Map<number, JournalLine>
export function consumedIn(journal: readonly JournalLine[], topic: string, by?: string): JournalLine[]
export function complaints(trial: Trial): string[]
