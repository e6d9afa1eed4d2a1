import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { copyBytes, encodeText, readText, textBytes, writeText } from '../../src/layout/index.ts'

/** Short and long, ASCII and not: each takes another way. */
const anyText = fc.oneof(
  fc.string({ maxLength: 100 }),
  fc.string({ maxLength: 100, unit: fc.constantFrom('a', 'ö', '\ufeff', '更', '\u{1F418}', '\ud83d') })
)

describe('text', () => {
  test('is written as UTF-8, at its place and nowhere else', () => {
    fc.assert(
      fc.property(anyText, fc.nat(5), (text, at) => {
        const expected = Buffer.from(text)
        const bytes = new Uint8Array(at + expected.length + 10).fill(0xee)
        expect(textBytes(text)).toBe(expected.length)
        expect(writeText(bytes, at, text)).toBe(at + expected.length)
        expect(Buffer.from(bytes.subarray(at, at + expected.length))).toEqual(expected)
        expect(bytes.filter(byte => byte === 0xee).length).toBe(at + 10)
      })
    )
  })

  test('is read as Java reads it: whole, with a byte order mark, U+FFFD for what is malformed', () => {
    fc.assert(
      fc.property(anyText, fc.nat(5), (text, from) => {
        const bytes = new Uint8Array([...new Uint8Array(from).fill(0x61), ...encodeText(text), 0x62])
        expect(readText(bytes, from, bytes.length - 1)).toBe(Buffer.from(text).toString())
      })
    )
    expect(readText(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61), 0, 4)).toBe('\ufeffa')
    expect(readText(Uint8Array.of(0x61, 0xff), 0, 2)).toBe('a\ufffd')
  })
})

test.each([0, 1, 48, 49, 100])('%d bytes are copied to their place', count => {
  const from = Uint8Array.from({ length: count }, (_, index) => index + 1)
  const into = new Uint8Array(count + 4)
  copyBytes(from, into, 2)
  expect([...into]).toEqual([0, 0, ...from, 0, 0])
})
