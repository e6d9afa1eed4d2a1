/** Numbers that must not be mixed get types that cost nothing at run time. */
declare const unit: unique symbol
type Unit<Name extends string> = number & { readonly [unit]: Name }

/** Byte position in the whole commit log, over all segments. */
export type PhysicalOffset = Unit<'physical offset'>
/** Ordinal of a message in its queue, from 0. */
export type QueueOffset = Unit<'queue offset'>

export const KiB = 1024
export const MiB = 1024 * KiB
export const GiB = 1024 * MiB
export const PAGE_BYTES = 4096

export const secondMs = 1000
export const minuteMs = 60 * secondMs
export const hourMs = 60 * minuteMs
