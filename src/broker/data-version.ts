/**
 * Data version: which state of a table this is, so that slaves and name servers can tell whether they have it.
 *
 * It moves with every change. Versions are compared as Apache RocketMQ does: two are the same if all three numbers are.
 */
import type { Clock } from '../base/index.ts'
import type { JavaJson } from '../layout/index.ts'
import { integerOf, objectOf } from './json-fields.ts'

export interface DataVersion {
  /** Of the controller; 0 outside a cluster that has one. */
  readonly stateVersion: number
  readonly timestamp: number
  readonly counter: number
}

export const firstVersion = (clock: Clock): DataVersion => ({ stateVersion: 0, timestamp: clock.nowMs(), counter: 0 })

export const nextVersion = (version: DataVersion, clock: Clock): DataVersion => ({
  stateVersion: version.stateVersion,
  timestamp: clock.nowMs(),
  counter: version.counter + 1
})

export const isSameVersion = (a: DataVersion, b: DataVersion): boolean =>
  a.stateVersion === b.stateVersion && a.timestamp === b.timestamp && a.counter === b.counter

/** Undefined where there is none. */
export function readVersion(json: JavaJson | undefined): DataVersion | undefined {
  const fields = objectOf(json)
  if (fields === undefined) return undefined
  return {
    stateVersion: integerOf(fields.stateVersion, 0),
    timestamp: integerOf(fields.timestamp, 0),
    counter: integerOf(fields.counter, 0)
  }
}
