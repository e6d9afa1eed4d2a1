import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { getInt53, int16, int32, int53, layout, setInt53 } from '../../src/layout/index.ts'
import { bytesOfHex, hexOf, viewOf } from './bytes.ts'

describe('a layout', () => {
  const sample = layout({ first: int16('the first'), second: int53('the second'), third: int32('the third') })

  test('puts its fields one after the other', () => {
    expect(sample.at).toEqual({ first: 0, second: 2, third: 10 })
    expect(sample.sizeBytes).toBe(14)
    expect(sample.names).toEqual(['first', 'second', 'third'])
  })

  test('writes what it reads, big-endian, at any position', () => {
    const bytes = new Uint8Array(20)
    const values = { first: -2, second: 2 ** 40 + 1, third: 0x01020304 }
    sample.write(viewOf(bytes), 3, values)
    expect(hexOf(bytes)).toBe('000000fffe000001000000000101020304000000')
    expect(sample.read(viewOf(bytes), 3)).toEqual(values)
  })

  test('prints its fields as rows of a table', () => {
    expect(sample.rows(8, ' + b')[1]).toBe('| 10 + b | int64 | `second` | the second |')
    expect(sample.rows()[2]).toBe('| 10 | int32 | `third` | the third |')
  })
})

describe('a number in 64 bits', () => {
  test('is written as BigInt would write it, and comes back', () => {
    const anyInt53 = fc.oneof(
      fc.maxSafeInteger(),
      fc.constantFrom(0, -1, 2 ** 31, 2 ** 32, -(2 ** 32), 2 ** 53, -(2 ** 53), -847619372)
    )
    fc.assert(
      fc.property(anyInt53, value => {
        const bytes = new Uint8Array(8)
        setInt53(viewOf(bytes), 0, value)
        expect(viewOf(bytes).getBigInt64(0)).toBe(BigInt(value))
        expect(getInt53(viewOf(bytes), 0)).toBe(value)
      })
    )
  })

  test('beyond 2^53 still compares as it should', () => {
    expect(getInt53(viewOf(bytesOfHex('8000000000000123')), 0)).toBeLessThan(-(2 ** 53))
    expect(getInt53(viewOf(bytesOfHex('7fffffffffffffff')), 0)).toBeGreaterThan(2 ** 53)
  })
})
