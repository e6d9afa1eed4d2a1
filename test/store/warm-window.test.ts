/** Bytes that were in memory a moment ago are not asked for again; after that, and for others, the system is asked. */
import { beforeEach, expect, test } from 'vitest'
import type { Mapping } from '../../src/store/files.ts'
import { WarmWindow } from '../../src/store/warm-window.ts'
import { SettableClock } from '../support/settable-clock.ts'

const SIZE = 1 << 20
const KiB = 1024

let clock: SettableClock

beforeEach(() => {
  clock = new SettableClock()
})

function mapping(warmUntil: number) {
  const asked: [at: number, bytes: number][] = []
  const resident = (at: number, bytes: number): boolean => {
    asked.push([at, bytes])
    return at + bytes <= warmUntil
  }
  return { asked, mapping: { resident } as unknown as Mapping } // Nothing else of it is used.
}

test('a warm window asks once for what lies close together', () => {
  const { asked, mapping: map } = mapping(SIZE)
  const warm = new WarmWindow(clock)
  for (let at = 0; at < 64 * KiB; at += KiB) expect(warm.holds(map, at, KiB, SIZE)).toBe(true)
  expect(asked).toEqual([[0, 64 * KiB]])
  expect(warm.holds(map, 64 * KiB, KiB, SIZE)).toBe(true)
  expect(asked).toHaveLength(2)
})

test('a warm window asks for the bytes alone where not all behind them are in memory', () => {
  const { asked, mapping: map } = mapping(10 * KiB)
  const warm = new WarmWindow(clock)
  expect(warm.holds(map, 9 * KiB, KiB, SIZE)).toBe(true)
  expect(warm.holds(map, 10 * KiB, KiB, SIZE)).toBe(false)
  expect(asked).toEqual([
    [9 * KiB, 64 * KiB],
    [9 * KiB, KiB],
    [10 * KiB, 64 * KiB],
    [10 * KiB, KiB]
  ])
})

test('a warm window does not take one mapping for another, nor look beyond the limit', () => {
  const first = mapping(SIZE)
  const second = mapping(0)
  const warm = new WarmWindow(clock)
  expect(warm.holds(first.mapping, 0, KiB, 2 * KiB)).toBe(true)
  expect(first.asked).toEqual([[0, 2 * KiB]])
  expect(warm.holds(second.mapping, 0, KiB, 2 * KiB)).toBe(false)
})

test('a warm window asks again after a moment, for the system may have taken the pages away', () => {
  const { asked, mapping: map } = mapping(SIZE)
  const warm = new WarmWindow(clock)
  warm.holds(map, 0, KiB, SIZE)
  clock.advance(4)
  warm.holds(map, 0, KiB, SIZE)
  expect(asked).toHaveLength(1)
  clock.advance(1)
  warm.holds(map, 0, KiB, SIZE)
  expect(asked).toHaveLength(2)
})
