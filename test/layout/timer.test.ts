import { describe, expect, test } from 'vitest'
import { AssertionError } from '../../src/base/index.ts'
import {
  TIMER_LOG_BLANK,
  TIMER_LOG_UNIT,
  TIMER_LOG_UNIT_ROOM_BYTES,
  TIMER_WHEEL_BYTES,
  timerSlotAt,
  timerUnitShape,
  writeTimerLogBlank
} from '../../src/layout/index.ts'
import { guarded, viewOf } from './bytes.ts'

describe('the timer log', () => {
  const unit = new Uint8Array(TIMER_LOG_UNIT_ROOM_BYTES)
  const changed = (field: keyof typeof TIMER_LOG_UNIT.at, value: number) => {
    const bytes = unit.slice()
    viewOf(bytes).setInt32(0, TIMER_LOG_UNIT.sizeBytes)
    viewOf(bytes).setInt32(TIMER_LOG_UNIT.at[field], value)
    return timerUnitShape(guarded(bytes, 0, bytes.length), 0, bytes.length)
  }

  test.each([
    [0, 'unit'],
    [15, 'unit'],
    [16, 'end'],
    [-1, 'end'],
    [-875286124, 'blank']
  ])('goes on, rolls over or ends by the magic %d', (magic, shape) => {
    expect(changed('magic', magic)).toBe(shape)
  })

  test('ends where the size is not that of a unit', () => {
    expect(changed('unitBytes', 51)).toBe('end')
  })

  test('is never read beyond the end of its file', () => {
    const bytes = unit.slice()
    viewOf(bytes).setInt32(0, TIMER_LOG_UNIT.sizeBytes)
    for (let until = 0; until < TIMER_LOG_UNIT.sizeBytes; until++) {
      expect(timerUnitShape(guarded(bytes, 0, until), 0, until)).toBe('end')
    }
  })

  test('with files of 100 MiB is closed by a blank that takes exactly the rest', () => {
    const fileBytes = 104_857_600
    const lastUnit = Math.floor((fileBytes - TIMER_LOG_UNIT_ROOM_BYTES) / TIMER_LOG_UNIT.sizeBytes)
    expect(fileBytes - (lastUnit + 1) * TIMER_LOG_UNIT.sizeBytes).toBe(TIMER_LOG_BLANK.sizeBytes)
    expect(() => writeTimerLogBlank(viewOf(unit), 60, unit.length)).toThrow(AssertionError)
  })
})

test('the slot of a moment comes again after two weeks', () => {
  const at = 1_700_000_000_000
  expect(timerSlotAt(at, 1000)).toBe((1_700_000_000 % 1_209_600) * 32)
  expect(timerSlotAt(at + 999, 1000)).toBe(timerSlotAt(at, 1000))
  expect(timerSlotAt(at + 14 * 86_400_000, 1000)).toBe(timerSlotAt(at, 1000))
  expect(TIMER_WHEEL_BYTES).toBe(38_707_200)
})
