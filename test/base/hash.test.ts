import { describe, expect, test } from 'vitest'
import { KiB, MiB, openHash, seededRandom } from '../../src/base/index.ts'

const hash = await openHash()
const utf8 = (text: string) => new TextEncoder().encode(text)

describe('xxHash64', () => {
  // The values of the reference implementation (`xxhsum -H64`).
  test.each([
    { text: '', expected: 0xef46db3751d8e999n },
    { text: 'a', expected: 0xd24ec4f1a98c6e5bn },
    { text: 'abc', expected: 0x44bc2cf5ad770999n }
  ])('of "$text" is that of the reference', ({ text, expected }) => {
    expect(hash.xxh64(utf8(text))).toBe(expected)
  })

  test.each([0, 1, 31, 32, 256 * KiB - 1, 256 * KiB, 256 * KiB + 1, 3 * MiB + 5])(
    'of %d bytes is the same in one call and in parts of any size',
    length => {
      const random = seededRandom(length)
      const bytes = random.bytes(length)
      const running = hash.startXxh64()
      for (let at = 0; at < length; ) {
        const until = Math.min(length, at + random.between(1, 300 * KiB))
        running.update(bytes.subarray(at, until))
        at = until
      }
      expect(running.digest()).toBe(hash.xxh64(bytes))
    }
  )

  test('changes when one bit does', () => {
    const bytes = seededRandom(1).bytes(MiB)
    const before = hash.xxh64(bytes)
    bytes[MiB - 1]! ^= 1
    expect(hash.xxh64(bytes)).not.toBe(before)
  })

  test('runs of their own do not disturb each other', () => {
    const [left, right] = [hash.startXxh64(), hash.startXxh64()]
    left.update(utf8('ab'))
    right.update(utf8('x'))
    left.update(utf8('c'))
    expect(left.digest()).toBe(hash.xxh64(utf8('abc')))
    expect(right.digest()).toBe(hash.xxh64(utf8('x')))
  })

  test('may be asked for in the middle', () => {
    const running = hash.startXxh64()
    running.update(utf8('a'))
    expect(running.digest()).toBe(hash.xxh64(utf8('a')))
    running.update(utf8('bc'))
    expect(running.digest()).toBe(hash.xxh64(utf8('abc')))
  })

  test('of a piece of a larger array sees that piece only', () => {
    expect(hash.xxh64(utf8('xabcx').subarray(1, 4))).toBe(hash.xxh64(utf8('abc')))
  })
})
