import { describe, expect, test } from 'vitest'
import {
  decodeRecord,
  javaHash,
  TIMER_CHECK,
  TIMER_CHECK_FILE_BYTES,
  TIMER_LOG_BLANK,
  TIMER_LOG_UNIT,
  TIMER_LOG_UNIT_ROOM_BYTES,
  TIMER_MAGIC,
  TIMER_TOPIC,
  TIMER_WHEEL_BYTES,
  TIMER_WHEEL_SLOT,
  timerSlotAt,
  timerUnitShape,
  writeTimerLogBlank
} from '../../src/layout/index.ts'
import { type GoldenRecord, recordsOf, topicOf } from './golden-records.ts'
import { filesIn, goldenStore, viewOf } from './golden-store.ts'

const stepMs = 1000
/** What is due later than this goes round again; how far depends on how much later. */
const windowMs = 2 * 86_400_000

describe('the timer files that Apache RocketMQ wrote', () => {
  const golden = goldenStore('plain')
  const logs = [...filesIn(golden, 'timerlog').values()]
  const logBytes = logs[0]!.length
  const timed = [...filesIn(golden, 'commitlog')]
    .flatMap(([file, bytes]) => recordsOf(bytes, Number(file)))
    .filter(record => topicOf(record) === TIMER_TOPIC)
  const written = writeTimer(timed, logs)

  test('have logs that come out the same when we write them', () => {
    expect(logs.length).toBe(2)
    for (const [number, bytes] of logs.entries()) expect(Buffer.from(written.logs[number]!)).toEqual(Buffer.from(bytes))
  })

  test('have a wheel that comes out the same when we write it', () => {
    expect(Buffer.compare(written.wheel, golden.files.get('timerwheel')!)).toBe(0)
  })

  test('have a log that is walked over its blank to its end', () => {
    const shapes = logs.flatMap(bytes => {
      const found: string[] = []
      for (let at = 0; at < bytes.length; at += TIMER_LOG_UNIT.sizeBytes) {
        found.push(timerUnitShape(viewOf(bytes), at, bytes.length))
      }
      return found
    })
    expect(shapes).toEqual(['unit', 'unit', 'unit', 'blank', 'unit', 'unit', 'end', 'end'])
    expect(logBytes).toBe(3 * TIMER_LOG_UNIT.sizeBytes + TIMER_LOG_BLANK.sizeBytes)
  })

  test('have a checkpoint that says how far the timer topic is in the wheel', () => {
    const bytes = golden.files.get('config/timercheck')!
    const { timerLogFlushedUntil, ...check } = TIMER_CHECK.read(viewOf(bytes), 0)
    expect(bytes.length).toBe(TIMER_CHECK_FILE_BYTES)
    expect([logBytes, written.until]).toContain(timerLogFlushedUntil)
    expect(check).toMatchObject({ queueOffset: timed.length, masterQueueOffset: timed.length, stateVersion: 0 })
    expect(check.readUntilMs % stepMs).toBe(0)
    expect(bytes.subarray(TIMER_CHECK.sizeBytes).every(byte => byte === 0)).toBe(true)
  })
})

/** Log and wheel by the rules of the format. When the timer took a message stands nowhere else: that is taken over. */
function writeTimer(timed: readonly GoldenRecord[], golden: readonly Uint8Array[]) {
  const wheel = new Uint8Array(TIMER_WHEEL_BYTES)
  const logs = golden.map(bytes => new Uint8Array(bytes.length))
  const logBytes = logs[0]!.length
  let unit = 0
  for (const { bytes, physicalOffset, positions } of timed) {
    if (logBytes - (unit % logBytes) < TIMER_LOG_UNIT_ROOM_BYTES) {
      writeTimerLogBlank(viewOf(logs[Math.floor(unit / logBytes)]!), unit % logBytes, logBytes)
      unit = Math.ceil(unit / logBytes) * logBytes
    }
    const log = Math.floor(unit / logBytes)
    const { enqueuedAtMs } = TIMER_LOG_UNIT.read(viewOf(golden[log]!), unit % logBytes)
    const { properties } = decodeRecord(bytes, viewOf(bytes), positions)
    const dueMs = Number(properties.TIMER_OUT_MS)
    const rolls = dueMs - enqueuedAtMs >= windowMs
    const halfRound = dueMs - enqueuedAtMs - windowMs < Math.floor(windowMs / stepMs / 3) * stepMs
    const slotMs = rolls ? enqueuedAtMs + (halfRound ? windowMs / 2 : windowMs) : dueMs
    const deletes = properties.TIMER_DEL_UNIQKEY !== undefined

    const slotAt = timerSlotAt(slotMs, stepMs)
    const slot = TIMER_WHEEL_SLOT.read(viewOf(wheel), slotAt)
    const isFirst = slot.time !== slotMs / stepMs
    TIMER_LOG_UNIT.write(viewOf(logs[log]!), unit % logBytes, {
      unitBytes: TIMER_LOG_UNIT.sizeBytes,
      previousUnit: isFirst ? -1 : slot.lastUnit,
      magic: TIMER_MAGIC.DEFAULT | (rolls ? TIMER_MAGIC.ROLL : 0) | (deletes ? TIMER_MAGIC.DELETE : 0),
      enqueuedAtMs,
      delayMs: slotMs - enqueuedAtMs,
      physicalOffset,
      totalBytes: positions.totalBytes,
      topicHash: javaHash(properties.REAL_TOPIC!),
      reserved: 0
    })
    TIMER_WHEEL_SLOT.write(viewOf(wheel), slotAt, {
      time: slotMs / stepMs,
      firstUnit: isFirst ? unit : slot.firstUnit,
      lastUnit: unit,
      unitCount: (isFirst ? 0 : slot.unitCount) + (deletes ? -1 : 1),
      magic: 0
    })
    unit += TIMER_LOG_UNIT.sizeBytes
  }
  return { wheel, logs, until: unit }
}
