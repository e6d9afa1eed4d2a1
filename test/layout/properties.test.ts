import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  checkPropertiesSize,
  decodeProperties,
  encodeProperties,
  encodeText,
  findIndexedProperties,
  findProperty,
  IndexedProperties,
  javaHash,
  PROPERTIES_BYTES_MAX,
  PropertyFinder,
  readText,
  Span,
  splitKeys,
  tagsCodeOf
} from '../../src/layout/index.ts'

describe('reading properties', () => {
  test.each<[string, string, Record<string, string>]>([
    ['two pieces', 'a\x01b\x02c\x01d\x02', { a: 'b', c: 'd' }],
    ['a last piece without end', 'a\x01b\x02c\x01d', { a: 'b', c: 'd' }],
    ['an empty value', 'a\x01\x02c\x01d\x02', { c: 'd' }],
    ['an empty name', '\x01b\x02c\x01d\x02', { c: 'd' }],
    ['a piece without separator', 'abc\x02c\x01d\x02', { c: 'd' }],
    ['a name that comes twice', 'a\x01b\x02a\x01c\x02', { a: 'c' }],
    ['a name that comes again, empty', 'a\x01b\x02a\x01\x02', { a: 'b' }],
    ['a value with the inner separator', 'a\x01b\x01c\x02', { a: 'b\x01c' }],
    ['empty pieces', '\x02\x02a\x01b\x02\x02', { a: 'b' }],
    ['nothing', '', {}],
    [
      'names that objects have already',
      '__proto__\x01x\x02constructor\x01y\x02',
      { ['__proto__']: 'x', constructor: 'y' }
    ],
    ['a piece whose separator is in the next', 'ab\x02cd\x01e\x02', { cd: 'e' }]
  ])('with %s is as Java reads them', (_, text, expected) => {
    const bytes = encodeText(text)
    expect(Object.entries(decodeProperties(bytes, 0, bytes.length))).toEqual(Object.entries(expected))
  })

  test('gives back what was written', () => {
    const text = fc
      .string({ minLength: 1, unit: 'grapheme' })
      .filter(each => !each.includes('\x01') && !each.includes('\x02'))
    fc.assert(
      fc.property(fc.dictionary(text, text), properties => {
        const bytes = encodeProperties(Object.entries(properties))
        expect(Object.entries(decodeProperties(bytes, 0, bytes.length)).sort()).toEqual(
          Object.entries(properties).sort()
        )
      })
    )
  })

  test('finds several in one pass where each is found by itself', () => {
    const names = {
      tags: encodeText('TAGS'),
      tag: encodeText('TAG'),
      key: encodeText('KEY'),
      other: encodeText('other')
    }
    const piece = fc.constantFrom(
      'TAGS\x01a',
      'TAG\x01b',
      'TAGS\x01',
      'TAG',
      'KEY\x01c',
      'KEYS\x01d',
      'other\x01e',
      '',
      '\x01f'
    )
    const finder = new PropertyFinder(names)
    const alone = new Span()
    fc.assert(
      fc.property(fc.array(piece), fc.boolean(), (pieces, isClosed) => {
        const bytes = encodeText(pieces.join('\x02') + (isClosed ? '\x02' : ''))
        finder.find(bytes, 0, bytes.length)
        for (const [key, name] of Object.entries(names)) {
          const { from, until, empty } = finder.spans[key as keyof typeof names]
          const found = findProperty(bytes, 0, bytes.length, name, alone)
          expect(empty).toBe(!found)
          if (found) expect([from, until]).toEqual([alone.from, alone.until])
        }
      })
    )
  })

  test('finds one in the bytes exactly where reading them all finds it', () => {
    const piece = fc.constantFrom(
      'TAGS\x01a',
      'TAGS\x01',
      'TAGS',
      'TAG\x01b',
      'TAGSS\x01c',
      'KEYS\x01k l',
      'DELAY\x013',
      'UNIQ_KEY\x01u',
      ''
    )
    fc.assert(
      fc.property(fc.array(piece), fc.constantFrom('', '\x02'), (pieces, last) => {
        const bytes = encodeText(`xx${pieces.join('\x02')}${last}`)
        const all = decodeProperties(bytes, 2, bytes.length)
        const span = new Span()
        const found = new IndexedProperties()
        findIndexedProperties(bytes, 2, bytes.length, found)
        const spans = { TAGS: found.tags, KEYS: found.keys, DELAY: found.delayLevel, UNIQ_KEY: found.uniqueKey }
        for (const [name, indexed] of Object.entries(spans)) {
          expect(findProperty(bytes, 2, bytes.length, encodeText(name), span)).toBe(all[name] !== undefined)
          expect(readText(bytes, span.from, span.until)).toBe(all[name] ?? '')
          expect([indexed.from, indexed.until]).toEqual([span.from, span.until])
        }
        expect(tagsCodeOf(bytes, 2, bytes.length)).toBe(javaHash(all.TAGS ?? ''))
      }),
      { numRuns: 1000 }
    )
  })

  test('stops at the end that it is given', () => {
    const bytes = encodeText('TAGS\x01abc\x02')
    expect(tagsCodeOf(bytes, 0, 7)).toBe(javaHash('ab'))
    expect(tagsCodeOf(bytes, 0, 5)).toBe(0)
    expect(tagsCodeOf(bytes, 0, 0)).toBe(0)
  })
})

describe('writing properties', () => {
  test.each([
    ['an empty name', '', 'b'],
    ['an empty value', 'a', ''],
    ['a separator in the name', 'a\x01b', 'c'],
    ['a separator in the value', 'a', 'b\x02c']
  ])('refuses %s', (_, name, value) => {
    expect(() => encodeProperties([[name, value]])).toThrow(
      expect.objectContaining({ code: 'MESSAGE_PROPERTY_INVALID' })
    )
  })

  test('takes as many bytes as an int16 can count, and not one more', () => {
    const rest = 'name\x01\x02'.length
    expect(encodeProperties([['name', 'x'.repeat(PROPERTIES_BYTES_MAX - rest)]]).length).toBe(32767)
    const tooLarge = expect.objectContaining({ code: 'MESSAGE_PROPERTIES_TOO_LARGE' })
    expect(() => encodeProperties([['name', 'x'.repeat(PROPERTIES_BYTES_MAX - rest + 1)]])).toThrow(tooLarge)
    expect(() => checkPropertiesSize(PROPERTIES_BYTES_MAX + 1)).toThrow(tooLarge)
  })
})

test('keys are what stands between single spaces', () => {
  expect(splitKeys('a b  c ')).toEqual(['a', 'b', 'c'])
  expect(splitKeys('')).toEqual([])
})
