/**
 * Filter by tag: by the hash alone, as queue entries hold it. Other tags with the same hash pass; consumers compare the
 * text.
 */
import type { RecordFilter } from '../store/index.ts'
import { ALL_TAGS, type Subscription } from './subscription.ts'

export class TagFilter implements RecordFilter {
  readonly #hashes: ReadonlySet<number>
  /** Most filters name one tag. */
  readonly #only: number | undefined

  constructor(hashes: Iterable<number>) {
    this.#hashes = new Set(hashes)
    const [only] = this.#hashes
    this.#only = this.#hashes.size === 1 ? only : undefined
  }

  acceptsTag(tagsHash: number): boolean {
    return this.#only === undefined ? this.#hashes.has(tagsHash) : this.#only === tagsHash
  }
}

/** Undefined for a subscription to all messages of the topic. One that names no tag accepts none. */
export function tagFilterOf({ expression, isClassFilter, tagHashes }: Subscription): TagFilter | undefined {
  return expression === ALL_TAGS || isClassFilter ? undefined : new TagFilter(tagHashes)
}
