/**
 * How large a filter expression may be, so that whoever subscribes cannot make a pull expensive.
 *
 * Apache RocketMQ has no such limits: its parser ends in a stack overflow, and its evaluation costs what it costs. These
 * lie far above what people write. With them one message costs at most a pass over its properties, `COST_MAX` simple
 * comparisons, and as many searches as that buys at `SEARCH_COST` each.
 */
import { KiB } from '../../base/index.ts'

/** In UTF-16 units. Room for lists (`IN`) of thousands of values. */
export const EXPRESSION_LENGTH_MAX = 128 * KiB

/** Levels of a tree: of parentheses, of prefixes, of comparisons chained to the right. */
export const DEPTH_MAX = 200

/** The sum over the nodes of one expression, where each node costs 1 unless it is one of those below. */
export const COST_MAX = 4096

/** `CONTAINS` and its like, which read a value from end to end. */
export const SEARCH_COST = 8

/** Different properties in one expression: each piece of a message's properties is looked up among them. */
export const PROPERTY_COUNT_MAX = 256
