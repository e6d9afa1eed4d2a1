import { describe, expect, test } from 'vitest'
import type { StoreInfo } from '../../src/index.ts'
import { DiskLag } from '../../src/server/disk-lag.ts'
import { SettableClock } from '../support/settable-clock.ts'

function lagOver(info: { appendedUntil: number; flushedUntil: number; state?: StoreInfo['state'] }) {
  const clock = new SettableClock()
  const lag = new DiskLag({ info: () => ({ state: 'open', ...info }) as StoreInfo }, clock)
  const laterBy = (ms: number): number => {
    clock.advance(ms)
    return lag.sample()
  }
  return { info, laterBy }
}

describe('the time that bytes wait for the disk', () => {
  test('is none while nothing waits', () => {
    const { laterBy } = lagOver({ appendedUntil: 100, flushedUntil: 100 })
    expect([laterBy(0), laterBy(5_000)]).toEqual([0, 0])
  })

  test('grows while no sync ends, however much is appended meanwhile', () => {
    const { info, laterBy } = lagOver({ appendedUntil: 100, flushedUntil: 50 })
    expect(laterBy(0)).toBe(0)
    info.appendedUntil = 5_000
    expect(laterBy(1_000)).toBe(1_000)
    expect(laterBy(9_000)).toBe(10_000)
  })

  test('begins anew with what came after the bytes that are on disk now', () => {
    const { info, laterBy } = lagOver({ appendedUntil: 100, flushedUntil: 50 })
    laterBy(0)
    info.appendedUntil = 300
    info.flushedUntil = 100
    expect(laterBy(4_000)).toBe(0)
    expect(laterBy(700)).toBe(700)
    info.flushedUntil = 300
    expect(laterBy(700)).toBe(0)
  })

  test('is not told of a store that has failed: that is another story', () => {
    const { laterBy } = lagOver({ appendedUntil: 100, flushedUntil: 50, state: 'poisoned' })
    laterBy(0)
    expect(laterBy(60_000)).toBe(0)
  })
})
