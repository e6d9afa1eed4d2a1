/** Sizes that several benchmarks of the store share. */
import type { StoreOptions } from '../../src/index.ts'

export const MiB = 2 ** 20
export const GiB = 2 ** 30

/** A smoke run crosses segment ends with a few thousand messages, and makes no file of 420 MB. */
export const SMOKE_OPTIONS = {
  segmentBytes: MiB,
  queueFileEntries: 1000,
  indexSlots: 1000,
  indexItems: 4000
} as const satisfies Partial<StoreOptions>

/** Everything but the directory: a benchmark measures the defaults, unless it says otherwise. */
export function storeOptions({ smoke }: { readonly smoke: boolean }): Partial<StoreOptions> {
  return smoke ? SMOKE_OPTIONS : {}
}
