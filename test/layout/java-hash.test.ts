import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  encodeText,
  indexHashSeed,
  indexKeyHash,
  indexKeyHashOfText,
  indexSlotOf,
  indexTagHashSeed,
  javaHash,
  javaHashOfBytes
} from '../../src/layout/index.ts'
import { bytesOfHex } from './bytes.ts'

describe("Java's hash of a text", () => {
  test.each([
    ['', 0],
    ['TagA', 2598919],
    ['_RECALL_TAG_', -847619372],
    ['TopicTest#k1', 2746024],
    ['TopicTest#0A0000010001000000010000000000AA', -508837514],
    ['polygenelubricants', -0x80000000]
  ])('%s is %d', (text, hash) => {
    expect(javaHash(text)).toBe(hash)
    expect(javaHashOfBytes(encodeText(text), 0, text.length)).toBe(hash)
  })

  test('is the same from bytes as from the text that they stand for', () => {
    const letters = fc.string({
      unit: fc.constantFrom('a', '#', 'ß', '更', '\ufeff', '\u{1F418}', '\u{10FFFF}', '\uffff')
    })
    fc.assert(
      fc.property(letters, fc.nat(9), fc.integer(), (text, before, seed) => {
        const bytes = new Uint8Array([...new Uint8Array(before).fill(0x61), ...encodeText(text), 0x62])
        expect(javaHashOfBytes(bytes, before, bytes.length - 1, seed)).toBe(javaHash(text, seed))
      })
    )
  })

  test('is the same from malformed bytes as from what the decoder makes of them', () => {
    const text = new TextDecoder('utf-8', { ignoreBOM: true })
    const anyBytes = fc.array(fc.oneof(fc.nat(0x7f), fc.integer({ min: 0x80, max: 0xff })))
    fc.assert(
      fc.property(anyBytes, array => {
        const bytes = Uint8Array.from(array)
        expect(javaHashOfBytes(bytes, 0, bytes.length)).toBe(javaHash(text.decode(bytes)))
      }),
      { numRuns: 2000 }
    )
    for (const hex of [
      'c0af',
      'e08080',
      'eda080',
      'f4908080',
      'f0808080',
      'c3',
      'e282',
      'f09f90',
      '80',
      'ff',
      'c341'
    ]) {
      const bytes = bytesOfHex(hex)
      expect(javaHashOfBytes(bytes, 0, bytes.length), hex).toBe(javaHash(text.decode(bytes)))
    }
  })
})

describe('the hash of a key', () => {
  test('is that of topic, # and key, without sign', () => {
    expect(indexKeyHashOfText('TopicTest', '0A0000010001000000010000000000AA')).toBe(508837514)
    expect(indexSlotOf(508837514, 5_000_000)).toBe(3837514)
  })

  test('is the same from bytes, continued from the hash of the topic', () => {
    const bytes = encodeText('k1 k2')
    expect(indexKeyHash(indexHashSeed('TopicTest'), bytes, 0, 2)).toBe(2746024)
    expect(indexKeyHash(indexHashSeed('TopicTest'), bytes, 3, 5)).toBe(indexKeyHashOfText('TopicTest', 'k2'))
  })

  test('is 0 where Java has no positive number for it', () => {
    expect(indexKeyHash(0, encodeText('polygenelubricants'), 0, 18)).toBe(0)
  })

  test('of a tag has a T between topic and tag', () => {
    const tag = encodeText('TagA')
    expect(indexKeyHash(indexTagHashSeed('orders'), tag, 0, 4)).toBe(Math.abs(javaHash('orders#T#TagA')))
  })
})
