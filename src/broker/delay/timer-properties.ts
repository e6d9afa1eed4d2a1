/**
 * Properties by which a message says when it is to be delivered, and those by which the broker keeps it until then.
 *
 * Not here: what is made of them (timer-kind.ts, timed-record.ts).
 */
import { encodeText, findProperty, PropertyFinder, Span } from '../../layout/index.ts'

export const DELAY_SECONDS = encodeText('TIMER_DELAY_SEC')
export const DELAY_MS = encodeText('TIMER_DELAY_MS')
export const DELIVER_MS = encodeText('TIMER_DELIVER_MS')
/** As old clients of the Alibaba cloud have it. */
export const START_DELIVER_TIME = encodeText('__STARTDELIVERTIME')
/** In the order in which they count. */
export const TIMER_PROPERTIES = [DELAY_SECONDS, DELAY_MS, DELIVER_MS, START_DELIVER_TIME]

/** Start of the second in which the message is due. */
export const OUT_MS = encodeText('TIMER_OUT_MS')
export const ENQUEUE_MS = encodeText('TIMER_ENQUEUE_MS')
export const DEQUEUE_MS = encodeText('TIMER_DEQUEUE_MS')
/** How often it has gone round. */
export const ROLL_TIMES = encodeText('TIMER_ROLL_TIMES')
/** Topic and UNIQ_KEY of a message that is not to be delivered. */
export const DELETE_KEY = encodeText('TIMER_DEL_UNIQKEY')
/** Varve's own, of what goes round: where in the log the message first stood, by which equal times keep their order. */
export const FIRST_OFFSET = encodeText('VARVE_TIMER_FIRST_OFFSET')

const MS_PER_SECOND = 1000
const ZERO = 0x30
const MINUS = 0x2d
/** More would lie beyond what a number holds. */
const DIGITS_MAX = 15

const span = new Span()

/** When the message says that it is to be delivered; NaN if it says so in a way that is none, undefined if not at all. */
export function wantedDueMs(bytes: Uint8Array, from: number, until: number, nowMs: number): number | undefined {
  wanted.find(bytes, from, until)
  return wantedDueMsOf(bytes, wanted.spans, nowMs)
}

/** Values that say it, as they were found. */
export interface WantedSpans {
  readonly delaySeconds: Span
  readonly delayMs: Span
  readonly deliverMs: Span
  readonly startDeliverTime: Span
}

/** The same from values that were found already. */
export function wantedDueMsOf(bytes: Uint8Array, spans: WantedSpans, nowMs: number): number | undefined {
  if (!spans.delaySeconds.empty) return nowMs + MS_PER_SECOND * integerIn(bytes, spans.delaySeconds)
  if (!spans.delayMs.empty) return nowMs + integerIn(bytes, spans.delayMs)
  if (!spans.deliverMs.empty) return integerIn(bytes, spans.deliverMs)
  if (!spans.startDeliverTime.empty) return integerIn(bytes, spans.startDeliverTime)
  return undefined
}

/** Names of what says it, for whoever looks for more in one pass. */
export const WANTED = {
  delaySeconds: DELAY_SECONDS,
  delayMs: DELAY_MS,
  deliverMs: DELIVER_MS,
  startDeliverTime: START_DELIVER_TIME
}
const wanted = new PropertyFinder(WANTED)

/** A property as an integer; NaN if it is none or absent. */
export function integerOfProperty(bytes: Uint8Array, from: number, until: number, name: Uint8Array): number {
  return findProperty(bytes, from, until, name, span) ? integerIn(bytes, span) : Number.NaN
}

/** NaN if it is none, or empty. */
export function integerIn(bytes: Uint8Array, { from, until }: Span): number {
  const isNegative = bytes[from] === MINUS
  const first = isNegative ? from + 1 : from
  if (until === first || until - first > DIGITS_MAX) return Number.NaN
  let value = 0
  for (let at = first; at < until; at++) {
    const digit = (bytes[at] as number) - ZERO // In range by the loop.
    if (digit < 0 || digit > 9) return Number.NaN
    value = value * 10 + digit
  }
  return isNegative ? -value : value
}
