import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type JavaJson, parseJavaJson, printJavaJson } from '../../src/layout/index.ts'

describe("Java's JSON", () => {
  test.each<[string, string, unknown]>([
    ['keys without quotes', '{0:250,-1:249 , 2 :1}', { '0': 250, '-1': 249, '2': 1 }],
    ['such keys in a text', '{"a":"{0:1,1:2}"}', { a: '{0:1,1:2}' }],
    [
      'integers beyond 2^53',
      '[9007199254740991,9007199254740993,-9223372036854775808]',
      [9007199254740991, 9007199254740993n, -9223372036854775808n]
    ],
    ['other numbers', '[1.5,-0,1e3,0.25E-1]', [1.5, -0, 1000, 0.025]],
    ['escapes', '"\\u00e4\\n\\"\\\\"', 'ä\n"\\'],
    ['words', '[true,false,null]', [true, false, null]],
    ['nothing inside', '{"a":{ },"b":[ ]}', { a: {}, b: [] }],
    ['white space', ' {\t"a" :\r\n 1 } \n', { a: 1 }],
    ['a reference', '{"a":{"b":1},"c":{"$ref":"$.a"}}', { a: { b: 1 }, c: { b: 1 } }],
    ['a reference into a list', '{"a":[{"b":1}],"c":{"$ref":"$.a[0]"}}', { a: [{ b: 1 }], c: { b: 1 } }],
    ['a reference with escapes', '{"x.y":{"b":1},"c":{"$ref":"$.x\\\\.y"}}', { 'x.y': { b: 1 }, c: { b: 1 } }],
    ['a reference forwards, inside a list', '[{"$ref":"$[1]"},{"b":1}]', [{ b: 1 }, { b: 1 }]]
  ])('with %s reads as meant', (_, text, expected) => {
    expect(parseJavaJson(text)).toEqual(expected)
  })

  test.each<[string, string, unknown]>([
    ['a text of 16 MiB', `["${'a'.repeat(2 ** 24)}"]`, ['a'.repeat(2 ** 24)]],
    ['16 MiB of white space', `[${' '.repeat(2 ** 24)}1]`, [1]],
    ['a number of a million digits', `[${'9'.repeat(1_000_000)}]`, [Number.POSITIVE_INFINITY]],
    ['a text of backslashes', `["${'\\\\'.repeat(1_000_000)}"]`, ['\\'.repeat(1_000_000)]]
  ])('with %s is read in a moment, and not at the cost of the stack', (_, text, expected) => {
    const parsed = parseJavaJson(text)
    expect(JSON.stringify(parsed) === JSON.stringify(expected)).toBe(true)
  })

  test.each([
    [`{'it\\'s "so"':'a\\"b\\\\'}`, { 'it\'s "so"': 'a"b\\' }],
    ['{{"q" : 9007199254740993, "t":["x"]}:1}', { '{"q":9007199254740993,"t":["x"]}': 1 }]
  ])('with quotes in quotes, and long numbers in keys, is read: %s', (text, expected) => {
    expect(parseJavaJson(text)).toEqual(expected)
  })

  test('has keys that an object has by itself as keys like any other', () => {
    const value = parseJavaJson('{"__proto__":{"a":1}}')
    expect(Object.keys(value as object)).toEqual(['__proto__'])
    expect(({} as { a?: number }).a).toBeUndefined()
  })

  test.each([
    ['nothing', ''],
    ['two values', '{}{}'],
    ['an open object', '{"a":1'],
    ['an open text', '"a'],
    ['a comma too many', '{"a":1,}'],
    ['a comma too many in a list', '[1,]'],
    ['a missing colon', '{"a" 1}'],
    ['a key without quotes that is neither an integer nor a name', '{@:1}'],
    ['a leading zero', '[01]'],
    ['a control character in a text', '"\n"'],
    ['an escape that there is not', '"\\x"'],
    ['more levels than any file has', '['.repeat(100_000)],
    ['a reference to nothing', '{"a":{"$ref":"$.b"}}'],
    ['a reference to itself', '{"a":{"$ref":"$"}}'],
    ['a reference to what it stands in', '{"a":{"b":{"$ref":"$.a"}}}'],
    ['a reference of another kind', '{"a":{"$ref":".."}}'],
    ['a reference to a reference', '{"a":{"$ref":"$.b"},"b":{"$ref":"$.a"}}']
  ])('is not %s', (_, text) => {
    expect(() => parseJavaJson(text)).toThrow(expect.objectContaining({ code: 'JSON_INVALID' }))
  })

  test('is what standard JSON says wherever that has a say', () => {
    fc.assert(
      fc.property(fc.json(), text => {
        expect(rounded(parseJavaJson(text))).toEqual(JSON.parse(text))
      })
    )
  })

  test.each([
    [`{topic:"T",_n:1}`, { topic: 'T', _n: 1 }],
    [`{'a':'it\\'s "so"'}`, { a: `it's "so"` }],
    [`{{"brokerName":"b","queueId":0,"topic":"T"}:12}`, { '{"brokerName":"b","queueId":0,"topic":"T"}': 12 }]
  ])('of clients that quote otherwise, or use objects as keys, is read: %s', (text, value) => {
    expect(parseJavaJson(text)).toEqual(value)
  })

  test('that we write is standard, sorted, with integers written out', () => {
    const text = printJavaJson({ b: [1n << 60n, { d: undefined }], a: 'ä"', c: {}, e: [] })
    expect(text).toBe('{\n\t"a":"ä\\"",\n\t"b":[\n\t\t1152921504606846976,\n\t\t{}\n\t],\n\t"c":{},\n\t"e":[]\n}')
  })

  test('that we write reads back', () => {
    fc.assert(
      fc.property(fc.jsonValue(), value => {
        expect(rounded(parseJavaJson(printJavaJson(value)))).toEqual(JSON.parse(JSON.stringify(value)))
        expect(JSON.parse(printJavaJson(value))).toEqual(JSON.parse(JSON.stringify(value)))
      })
    )
  })
})

/** `JSON.parse` knows no bigint: it rounds. */
function rounded(value: JavaJson): JavaJson {
  if (typeof value === 'bigint') return Number(value)
  if (typeof value !== 'object' || value === null) return value
  const members = value as Record<string, JavaJson> // Of an array, too.
  for (const key of Object.keys(members)) members[key] = rounded(members[key]!)
  return value
}
