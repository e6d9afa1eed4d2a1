import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { VarveError } from '../../src/base/index.ts'
import { type BatchItem, decodeBatch, encodeBatch, encodeText } from '../../src/layout/index.ts'
import { hexOf, viewOf } from './bytes.ts'

describe('the body of a batch', () => {
  const items: BatchItem[] = [
    { flag: 7, body: encodeText('ab'), properties: encodeText('a\x01b\x02') },
    { flag: -1, body: new Uint8Array(0), properties: new Uint8Array(0) }
  ]

  test('is its items back to back', () => {
    expect(hexOf(encodeBatch(items))).toBe(
      `0000001c 00000000 00000000 00000007 00000002 6162 0004 61016202
       00000016 00000000 00000000 ffffffff 00000000 0000`.replace(/\s+/g, '')
    )
    expect(decodeBatch(encodeBatch(items))).toEqual(items)
    expect(decodeBatch(new Uint8Array(0))).toEqual([])
  })

  test.each<[string, string, (bytes: Uint8Array, view: DataView) => Uint8Array | undefined]>([
    ['a cut end', 'the head is cut off', bytes => bytes.subarray(0, -1)],
    ['a size of 0, which would never end', 'size', (_, view) => void view.setInt32(0, 0)],
    ['a size beyond the end', 'size', (_, view) => void view.setInt32(0, 1000)],
    ['a negative body', 'size of the body', (_, view) => void view.setInt32(16, -1)],
    ['a body beyond the item', 'size of the body', (_, view) => void view.setInt32(16, 7)],
    ['properties that do not end with the item', 'size of the properties', (_, view) => void view.setInt16(22, 3)],
    ['negative properties', 'size of the properties', (_, view) => void view.setInt16(22, -1)]
  ])('with %s is refused, naming the item and what is wrong with it', (_, reason, change) => {
    const bytes = encodeBatch(items)
    const changed = change(bytes, viewOf(bytes)) ?? bytes
    const details = { item: changed === bytes ? 0 : 1, reason }
    expect(() => decodeBatch(changed)).toThrow(expect.objectContaining({ code: 'BATCH_INVALID', details }))
  })

  test('of any bytes is items or BATCH_INVALID, never another failure', () => {
    const valid = encodeBatch(items)
    fc.assert(
      fc.property(fc.nat(valid.length - 1), fc.nat(255), fc.nat(valid.length), (at, value, length) => {
        const bytes = valid.slice(0, length)
        if (at < length) bytes[at] = value
        try {
          expect(decodeBatch(bytes).length).toBeLessThanOrEqual(2)
        } catch (error) {
          expect(error).toBeInstanceOf(VarveError)
        }
      }),
      { numRuns: 1000 }
    )
  })

  test('refuses properties that an int16 cannot count', () => {
    const item = { flag: 0, body: new Uint8Array(0), properties: new Uint8Array(32768) }
    expect(() => encodeBatch([item])).toThrow(expect.objectContaining({ code: 'MESSAGE_PROPERTIES_TOO_LARGE' }))
  })
})
