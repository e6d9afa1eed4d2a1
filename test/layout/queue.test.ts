import { describe, expect, test } from 'vitest'
import {
  CONSUME_QUEUE_ENTRY,
  DELAY_LEVELS_DEFAULT,
  encodeText,
  extOffsetAt,
  FILLER_SIZE_BYTES,
  isExtAddress,
  levelDueAt,
  parseDelayLevels,
  RecordPositions,
  readDelayLevel,
  Span,
  scheduleDueAt,
  TAGS_HASH_AT
} from '../../src/layout/index.ts'
import { bytesOfHex, hexOf, viewOf } from './bytes.ts'

describe('an entry of a consume queue', () => {
  test.each([
    ['a tag', { physicalOffset: 4096, sizeBytes: 188, tagsCode: 2598919 }, '0000000000001000000000bc000000000027a807'],
    [
      'a tag of negative hash',
      { physicalOffset: 0, sizeBytes: 1, tagsCode: -847619372 },
      '000000000000000000000001ffffffffcd7a5ad4'
    ],
    [
      'no message',
      { physicalOffset: 0, sizeBytes: FILLER_SIZE_BYTES, tagsCode: 0 },
      '00000000000000007fffffff0000000000000000'
    ]
  ])('with %s is 20 bytes', (_, entry, hex) => {
    const bytes = new Uint8Array(20)
    CONSUME_QUEUE_ENTRY.write(viewOf(bytes), 0, entry)
    expect(hexOf(bytes)).toBe(hex)
    expect(CONSUME_QUEUE_ENTRY.read(viewOf(bytes), 0)).toEqual(entry)
    expect(viewOf(bytes).getInt32(TAGS_HASH_AT)).toBe(entry.tagsCode)
    expect(isExtAddress(entry.tagsCode)).toBe(false)
  })

  test('may hold an address of the extension file, which is read exactly', () => {
    const view = viewOf(bytesOfHex('0000000000001000000000bc 8000000003000123'))
    const { tagsCode } = CONSUME_QUEUE_ENTRY.read(view, 0)
    expect(isExtAddress(tagsCode)).toBe(true)
    expect(extOffsetAt(view, 0)).toBe(0x3000123)
    expect([isExtAddress(-2147483649), isExtAddress(-2147483648)]).toEqual([true, false])
  })
})

describe('delay levels', () => {
  const levels = parseDelayLevels(DELAY_LEVELS_DEFAULT)

  test('are read in seconds, minutes, hours and days', () => {
    expect(levels.length).toBe(18)
    expect([levels[0], levels[4], levels[17]]).toEqual([1000, 60_000, 7_200_000])
    expect(parseDelayLevels(' 2d  3s ')).toEqual([172_800_000, 3000])
  })

  test.each(['', '1', 's', '1x', '1s,2s', '-1s', '1.5s', '1s 9999999999s'])('are not %j', text => {
    expect(() => parseDelayLevels(text)).toThrow(expect.objectContaining({ code: 'OPTION_INVALID' }))
  })

  test('beyond the last count as the last', () => {
    expect([1, 3, 18, 99].map(level => levelDueAt(1_000_000, level, levels))).toEqual([
      1_001_000, 1_010_000, 8_200_000, 8_200_000
    ])
  })

  test.each([
    ['3', 3],
    ['0', 0],
    ['', 0],
    ['x', 0],
    ['-1', 0],
    ['3 ', 0],
    ['99999999999', 0]
  ])('stand in a property: %j is %d', (text, level) => {
    const span = new Span()
    span.until = text.length
    expect(readDelayLevel(encodeText(text), span)).toBe(level)
  })

  test('give a record its due time, and none to a record without level', () => {
    const positions = new RecordPositions()
    positions.storedAtMs = 5000
    const due = (text: string) => {
      const bytes = encodeText(text)
      positions.propertiesBytes = bytes.length
      return scheduleDueAt(bytes, positions, levels)
    }
    expect(due('TAGS\x01a\x02DELAY\x012\x02')).toBe(10_000)
    expect(due('TAGS\x01a\x02')).toBeUndefined()
    expect(due('DELAY\x010\x02')).toBeUndefined()
  })
})
