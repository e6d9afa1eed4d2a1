/** Bodies of requests: what is printed for clients that take them apart as text, and what is read of theirs. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseWire, printWire } from '../../src/protocol/index.ts'

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const bytes = (text: string) => new TextEncoder().encode(text)

describe('a body', () => {
  test('is printed without spaces, its keys in order, and without members that have no value', () => {
    expect(text(printWire({ b: [1, 'x'], a: undefined, c: null, '10': 2n ** 60n, '0': true }))).toBe(
      '{"0":true,"10":1152921504606846976,"b":[1,"x"]}'
    )
  })

  test('has queues as keys of its tables, as Java and Go want to read them', () => {
    const offsetTable = new Map([[{ topic: 'T', queueId: 0, brokerName: 'b' }, 12]])
    expect(text(printWire({ offsetTable }))).toBe('{"offsetTable":{{"brokerName":"b","queueId":0,"topic":"T"}:12}}')
  })

  test('has numbers as keys in quotes, which everybody reads', () => {
    expect(text(printWire({ brokerAddrs: new Map([[0, 'a:1']]) }))).toBe('{"brokerAddrs":{"0":"a:1"}}')
  })

  test('reads as what was printed, but for members without a value', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string(),
          fc.oneof(fc.string(), fc.boolean(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }))
        ),
        value => {
          const numbers = Object.entries(value).map(([key, member]) => [
            key,
            typeof member === 'bigint' && Number.isSafeInteger(Number(member)) ? Number(member) : member
          ])
          expect(new Map(Object.entries(parseWire(printWire(value))!))).toEqual(new Map(numbers as [string, unknown][]))
        }
      )
    )
  })

  test('that was printed with queues as keys is read with their texts as keys', () => {
    const printed = printWire(new Map([[{ queueId: 0 }, 12]]))
    expect(parseWire(printed)).toEqual({ '{"queueId":0}': 12 })
  })

  test('that is no JSON is refused', () => {
    expect(() => parseWire(bytes('{"a":'))).toThrow(expect.objectContaining({ code: 'JSON_INVALID' }))
  })
})
