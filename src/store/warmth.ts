/**
 * Warmth: what a read found not to be in memory, and what has been fetched for it since.
 *
 * A read runs over everything it needs without waiting; where something is cold it notes the range and goes on. If
 * anything was noted, a worker fetches copies of all of it and the read runs again with them. So the thread that
 * appends never waits for the disk, and two rounds are nearly always enough: one for queue entries, one for records.
 * Where a queue begins is found by a worker, too, once after the log has lost its oldest segment.
 */
import type { Queue } from './topics.ts'

export interface ColdRange {
  readonly path: string
  readonly at: number
  readonly bytes: number
}

export interface FetchedRange extends ColdRange {
  readonly copy: Uint8Array
}

export class Warmth {
  /** What the run under way has found to be cold. */
  readonly cold: ColdRange[] = []
  /** A queue whose first offset only cold entries tell. */
  unplaced: Queue | undefined
  readonly #fetched: FetchedRange[] = []

  get isCold(): boolean {
    return this.cold.length > 0 || this.unplaced !== undefined
  }

  /** A fetched copy of the range, if there is one. */
  find(path: string, at: number, bytes: number): Uint8Array | undefined {
    for (const range of this.#fetched) {
      if (range.path === path && range.at <= at && range.at + range.bytes >= at + bytes) {
        return range.copy.subarray(at - range.at, at - range.at + bytes)
      }
    }
    return undefined
  }

  note(path: string, at: number, bytes: number): void {
    this.cold.push({ path, at, bytes })
  }

  /** The copies of what was noted; the read may run again. */
  add(fetched: readonly FetchedRange[]): void {
    this.#fetched.push(...fetched)
    this.cold.length = 0
  }
}
