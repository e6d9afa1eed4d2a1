import { crc32 } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { native } from './fixtures.ts'

/** Bytes without a pattern, the same in every run. */
function bytesOf(count: number): Uint8Array {
  let state = 1
  return Uint8Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return state >>> 24
  })
}

describe('CRC-32', () => {
  test('of "123456789" is the check value of the polynomial', () => {
    expect(native.crc32(Buffer.from('123456789'), 0, 9)).toBe(0xcbf43926)
  })

  test("is zlib's for every length up to 900, which is past the widest step twice, from every alignment", () => {
    const bytes = bytesOf(1000)
    const wrong: string[] = []
    for (let from = 0; from < 17; from++) {
      for (let length = 0; length <= 900; length++) {
        const expected = crc32(bytes.subarray(from, from + length))
        if (native.crc32(bytes, from, from + length) !== expected) wrong.push(`${from} + ${length}`)
      }
    }
    expect(wrong).toEqual([])
  })

  test("is zlib's for a megabyte", () => {
    const bytes = bytesOf(2 ** 20 + 13)
    expect(native.crc32(bytes, 0, bytes.length)).toBe(crc32(bytes))
  })

  test('of many ranges comes in their order, and leaves other results alone', () => {
    const bytes = bytesOf(5000)
    const pairs = [
      [0, 5000],
      [100, 100],
      [17, 1041],
      [4999, 5000]
    ] as const
    const into = new Uint32Array(6).fill(1)
    native.crc32Many(bytes, Float64Array.from(pairs.flat()), 4, into)
    expect([...into]).toEqual([...pairs.map(([from, until]) => crc32(bytes.subarray(from, until))), 1, 1])
  })
})
