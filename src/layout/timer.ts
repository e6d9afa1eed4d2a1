/**
 * Files of the timer: the wheel (which slot's chain of messages ends where), the log (those chains) and the checkpoint.
 *
 * Each slot of the wheel holds one moment; units of the log that fall due in it are chained backwards by position. A
 * slot that holds another time than asked for is empty: nothing clears it after delivery.
 *
 * Not here: when messages go round again, deletion, recovery (the store's timer).
 */
import { assert } from '../base/index.ts'
import { int32, int53, layout } from './layout.ts'

export const TIMER_TOPIC = 'rmq_sys_wheel_timer'

/** Two weeks of slots: one week ahead is ever in use, so a slot is never needed for two times at once. */
export const TIMER_SLOT_COUNT = 2 * 7 * 86_400

export const TIMER_WHEEL_SLOT = layout({
  time: int53('the moment, in steps of the timer (seconds by default)'),
  firstUnit: int53('timer log position of the first unit, -1 if none'),
  lastUnit: int53('timer log position of the last unit, -1 if none'),
  unitCount: int32('units, less those that delete another'),
  magic: int32('0')
})

export const TIMER_WHEEL_BYTES = TIMER_SLOT_COUNT * TIMER_WHEEL_SLOT.sizeBytes

/** Where the slot for `timeMs` lies in the file. */
export function timerSlotAt(timeMs: number, stepMs: number): number {
  return (Math.floor(timeMs / stepMs) % TIMER_SLOT_COUNT) * TIMER_WHEEL_SLOT.sizeBytes
}

export const TIMER_LOG_UNIT = layout({
  unitBytes: int32('52'),
  previousUnit: int53('timer log position of the unit before it in its slot, -1 if it is the first'),
  magic: int32('1, plus 2 if it goes round again, plus 4 if it deletes another message'),
  enqueuedAtMs: int53('when it was put into the wheel, in whole steps'),
  delayMs: int32('time of its slot, after `enqueuedAtMs`'),
  physicalOffset: int53('record in the timer topic'),
  totalBytes: int32('size of that record'),
  topicHash: int32('hash of the topic that it will be delivered to'),
  reserved: int53('0')
})

export const TIMER_MAGIC = { DEFAULT: 1, ROLL: 2, DELETE: 4 } as const

/** Any other magic ends the log. */
const TIMER_MAGIC_MAX = TIMER_MAGIC.DEFAULT | TIMER_MAGIC.ROLL | TIMER_MAGIC.DELETE | 8

const TIMER_LOG_BLANK_MAGIC = -875286124

/** Closes a file of the timer log that has no room for another unit. */
export const TIMER_LOG_BLANK = layout({
  restBytes: int32('bytes to the end of the file, these included'),
  previousUnit: int53('0'),
  magic: int32('0xCBD43194')
})

/** A unit is written only if it and a blank fit. */
export const TIMER_LOG_UNIT_ROOM_BYTES = TIMER_LOG_UNIT.sizeBytes + TIMER_LOG_BLANK.sizeBytes

export type TimerUnitShape = 'unit' | 'blank' | 'end'

/** What stands at `at` in a file of the timer log; `end` if it is neither, or does not fit before `until`. */
export function timerUnitShape(view: DataView, at: number, until: number): TimerUnitShape {
  if (until - at < TIMER_LOG_BLANK.sizeBytes) return 'end'
  const magic = view.getInt32(at + TIMER_LOG_UNIT.at.magic)
  if (magic === TIMER_LOG_BLANK_MAGIC) return 'blank'
  if (until - at < TIMER_LOG_UNIT.sizeBytes || magic < 0 || magic > TIMER_MAGIC_MAX) return 'end'
  return view.getInt32(at + TIMER_LOG_UNIT.at.unitBytes) === TIMER_LOG_UNIT.sizeBytes ? 'unit' : 'end'
}

export function writeTimerLogBlank(view: DataView, at: number, until: number): void {
  assert(until - at >= TIMER_LOG_BLANK.sizeBytes, 'every unit leaves room for the blank')
  TIMER_LOG_BLANK.write(view, at, { restBytes: until - at, previousUnit: 0, magic: TIMER_LOG_BLANK_MAGIC })
}

/** The file `config/timercheck`, one page. Missing or zero, it makes Java deliver the whole timer topic once more. */
export const TIMER_CHECK = layout({
  readUntilMs: int53('every slot before it has been delivered'),
  timerLogFlushedUntil: int53('position in the timer log'),
  queueOffset: int53('next queue offset of the timer topic to put into the wheel'),
  masterQueueOffset: int53('the same as the master has it; on a master, its own'),
  stateVersion: int53('data version: state'),
  versionAtMs: int53('data version: time'),
  versionCounter: int53('data version: counter')
})

export const TIMER_CHECK_FILE_BYTES = 4096

/**
 * The file `varve/timer`: which messages of slots that are not done with have been delivered. It is believed only as long
 * as the checkpoint is the one that it was written after.
 */
export const TIMER_MARK = layout({
  readUntilMs: int53('as in the checkpoint'),
  queueOffset: int53('as in the checkpoint'),
  versionAtMs: int53('as in the checkpoint'),
  versionCounter: int53('as in the checkpoint'),
  dueMs: int53('what is due before it is delivered'),
  rank: int53('of what is due then, what was first stored before this position in the commit log is delivered'),
  unitsUntil: int53('what lies here or behind in the timer log is not delivered')
})
