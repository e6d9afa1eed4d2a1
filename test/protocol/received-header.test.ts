import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { field } from '../../src/protocol/index.ts'
import { REMOTING_LIMITS } from '../../src/protocol/remoting/limits.ts'
import { ReceivedHeader } from '../../src/protocol/remoting/received-header.ts'
import { binaryFrame, frame, type Head, int16, int32, jsonFrame } from './frames.ts'

const TOPIC = field('topic')
const COUNT = field('count')
const FIELD_MAX = REMOTING_LIMITS.fieldCountMax

describe('a header', () => {
  test('of the test vector for a route request reads in both forms', () => {
    const fromSpec = `{"code":105,"extFields":{"topic":"T"},"flag":0,"language":"JAVA","opaque":1,"serializeTypeCurrentRPC":"JSON","version":479}`
    const binary = '000000250100002100690001df0000000100000000000000000000000c0005746f70696300000001' + '54'
    for (const bytes of [frame(fromSpec), Buffer.from(binary, 'hex')]) {
      const header = read(bytes)
      expect(header).toMatchObject({ code: 105, opaque: 1, flag: 0, version: 479, language: 'JAVA', fieldCount: 1 })
      expect(header.text(TOPIC)).toBe('T')
      expect(header.body).toHaveLength(0)
    }
    expect(frame(fromSpec).toString('hex', 0, 8)).toBe('0000007f0000007b')
  })

  test.each<[string, Buffer]>([
    [
      'JSON',
      jsonFrame(
        { code: 10, opaque: -5, flag: 2, remark: 'why "not"', fields: { topic: 'ä\u0001"b', count: '7' } },
        'body'
      )
    ],
    [
      'the binary form',
      binaryFrame(
        { code: 10, opaque: -5, flag: 2, remark: 'why "not"', fields: { topic: 'ä\u0001"b', count: '7' } },
        'body'
      )
    ]
  ])('in %s gives its numbers, texts and body', (_, bytes) => {
    const header = read(bytes)
    expect(header).toMatchObject({ code: 10, opaque: -5, isOneway: true, isResponse: false, remark: 'why "not"' })
    expect(header.text(TOPIC)).toBe('ä\u0001"b')
    expect(header.text(TOPIC)).toBe('ä\u0001"b') // Escapes are undone once.
    expect(Buffer.from(header.bytesOf(TOPIC)!).toString()).toBe('ä\u0001"b')
    expect(header.int(COUNT)).toBe(7)
    expect(Buffer.from(header.body).toString()).toBe('body')
  })

  test.each<[string, string, string | undefined]>([
    ['without fields', '{"code":28}', undefined],
    ['with fields that are null', '{"code":28,"extFields":null}', undefined],
    ['with a field that is null', '{"extFields":{"topic":null}}', undefined],
    ['with no field', '{"extFields":{ }}', undefined],
    ['that is empty', ' { } ', undefined],
    ['with keys that nobody knows', '{"a":[{"b":"]}"},1],"extFields":{"x":{"y":[]},"topic":"T"},"z":-1.5e3}', 'T'],
    [
      'with keys that are nearly known',
      '{"extFXelds":{"topic":"S"},"extFieldS":{"topic":"S"},"cod":"x","c":[]}',
      undefined
    ],
    ['with white space', '\n{ "extFields" :\t{ "topic" : "T" } , "code" : 1 }\r\n', 'T'],
    ['with a repeated field: the last counts', '{"extFields":{"topic":"S","topic":"T"}}', 'T'],
    ['with a repeated field whose last is null', '{"extFields":{"topic":"S","topic":null}}', undefined],
    ['with escapes in keys', '{"\\u0065xtFields":{"to\\u0070ic":"T"}}', 'T'],
    [
      'with every kind of escape',
      '{"extFields":{"topic":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\ud83d\\ude00"}}',
      '"\\/\b\f\n\r\tä😀'
    ],
    ['with half a surrogate pair, as Java encodes it', '{"extFields":{"topic":"a\\ud83db\\ude00"}}', 'a?b?'],
    ['with escapes of fastjson', `{"extFields":{"topic":"\\v\\'\\x41\\0"}}`, "\v'A\0"],
    ['with a number for a field', '{"extFields":{"topic":12}}', '12'],
    ['with an object for a field', '{"extFields":{"topic":{"a":"}"}}}', '{"a":"}"}'],
    ['with names of objects', '{"extFields":{"__proto__":"x","constructor":"y","topic":"T"}}', 'T']
  ])('%s reads', (_, json, topic) => {
    expect(read(frame(json)).text(TOPIC)).toBe(topic)
  })

  test('takes numbers in quotes, large ones, and null', () => {
    expect(read(frame('{"code":"310","opaque":4294967295,"version":null,"flag":"1"}'))).toMatchObject({
      code: 310,
      opaque: 4294967295,
      version: 0,
      isResponse: true
    })
  })

  test('changes no object by a field called __proto__', () => {
    const header = read(frame('{"__proto__":{"code":1},"extFields":{"__proto__":"x"}}'))
    const fields = new Map<string, string>()
    header.eachField((name, value) => fields.set(name, value))
    expect([...fields]).toEqual([['__proto__', 'x']])
    expect(header.text(field('__proto__'))).toBe('x')
    expect(({} as { code?: number }).code).toBeUndefined()
  })

  test.each([
    '',
    ' ',
    '[]',
    '"a"',
    '{',
    '{"code"',
    '{"code":',
    '{"code":1',
    '{"code":1,',
    '{"code":1,}',
    '{"code":1}}',
    '{"code":1} x',
    '{code:1}',
    '{"code":1.5}',
    '{"code":x}',
    '{"code":-}',
    '{"code":"1}',
    '{"code":99999999999999999999}',
    '{"code":nul}',
    '{"extFields":[]}',
    '{"extFields":{"a"}}',
    '{"extFields":{"a":"b"',
    '{"extFields":{"a":"b",}}',
    '{"extFields":{"a":"\\q"}}',
    '{"extFields":{"a":"\\u12g4"}}',
    '{"extFields":{"a":"\\',
    '{"a":[1,2}',
    '{"a":}',
    '{"a":tru}',
    '{"remark":7}',
    '{"a":1e}'
  ])('is not %j', json => {
    // What follows the header must not complete it.
    expect(tryRead(frame(json, '"}}}]}'))).toBe('the header is malformed')
  })

  test.each<[string, Buffer]>([
    ['cut short', Buffer.alloc(20)],
    ['whose remark is longer than it', binaryHead(int32(1), int32(0))],
    ['whose remark has a negative size', binaryHead(int32(-1), int32(0))],
    ['whose fields are longer than it', binaryHead(int32(0), int32(9))],
    ['whose fields have a negative size', binaryHead(int32(0), int32(-9))],
    ['with a name longer than the fields', binaryHead(int32(0), int32(6), int16(1), int32(0))],
    ['with a negative name', binaryHead(int32(0), int32(6), int16(-1), int32(0))],
    ['with a value longer than the fields', binaryHead(int32(0), int32(7), int16(1), Buffer.from('a'), int32(1))],
    ['with a negative value', binaryHead(int32(0), int32(7), int16(1), Buffer.from('a'), int32(-1))],
    ['with half a name size', binaryHead(int32(0), int32(1), Buffer.from('a'))]
  ])('in the binary form %s is refused', (_, header) => {
    expect(tryRead(frame(header, 'a body that could be taken for more of it', 1))).toBe('the header is malformed')
  })

  test('in the binary form takes the last of a repeated field, and none without name or value', () => {
    const entry = (name: string, value: string) => [
      int16(name.length),
      Buffer.from(name),
      int32(value.length),
      Buffer.from(value)
    ]
    const entries = Buffer.concat([entry('topic', 'S'), entry('', 'x'), entry('count', ''), entry('topic', 'T')].flat())
    const header = read(frame(binaryHead(int32(0), int32(entries.length), entries), '', 1))
    expect(header.text(TOPIC)).toBe('T')
    expect(header.isAbsent(COUNT)).toBe(true)
  })

  test.each([jsonFrame, binaryFrame])('has at most 10,000 fields, in either form (%o)', make => {
    const fields = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`f${index}`, 'x']))
    expect(read(make({ fields: fields(FIELD_MAX) })).text(field('f9999'))).toBe('x')
    expect(tryRead(make({ fields: fields(FIELD_MAX + 1) }))).toBe('the header has too many fields')
  })
})

describe('a number in a field', () => {
  test.each<[string, number]>([
    ['0', 0],
    ['-1', -1],
    ['+12', 12],
    ['2147483647', 2147483647],
    ['-2147483648', -2147483648]
  ])('%s is read', (text, value) => {
    expect(withCount(text).int(COUNT)).toBe(value)
    expect(withCount(text).long(COUNT)).toBe(value)
  })

  test.each(['x', '1x', '', '-', '+', '1.0', ' 1', '2147483648', '-2147483649', '99999999999999999999'])(
    '%j is no integer of 32 bits, and the error names the field',
    text => {
      expect(() => withCount(text).int(COUNT)).toThrow(
        expect.objectContaining({ code: 'PARAMETER_INVALID', details: expect.objectContaining({ field: 'count' }) })
      )
    }
  )

  test('of 64 bits is read to its limits', () => {
    expect(withCount('9007199254740991').long(COUNT)).toBe(Number.MAX_SAFE_INTEGER)
    expect(withCount('9223372036854775807').long(COUNT)).toBe(2 ** 63)
    expect(withCount('-9223372036854775808').long(COUNT)).toBe(-(2 ** 63))
    expect(() => withCount('9223372036854788000').long(COUNT)).toThrow(
      expect.objectContaining({ code: 'PARAMETER_INVALID' })
    )
    expect(() => withCount('10000000000000000000').long(COUNT)).toThrow(
      expect.objectContaining({ code: 'PARAMETER_INVALID' })
    )
  })

  test('that is absent is what the reader says, or an error', () => {
    const header = read(jsonFrame({ fields: { count: '' } }))
    expect(header.int(COUNT, -1)).toBe(-1)
    expect(header.long(TOPIC, 3)).toBe(3)
    expect(() => header.int(TOPIC)).toThrow(expect.objectContaining({ code: 'PARAMETER_INVALID' }))
    expect(() => header.requiredText(TOPIC)).toThrow(
      expect.objectContaining({ details: { field: 'topic', expected: 'a value' } })
    )
  })

  test.each<[string | null, boolean]>([
    ['true', true],
    ['TRUE', true],
    ['tRuE', true],
    ['false', false],
    ['1', false],
    ['truth', false],
    [null, false]
  ])('%s as a flag is %s', (text, value) => {
    expect(read(jsonFrame({ fields: { count: text } })).bool(COUNT)).toBe(value)
  })
})

describe('an interned text', () => {
  test('is the same for the same bytes, whatever came in between', () => {
    const topics = Array.from({ length: 20_000 }, (_, index) => `topic-${index % 7000}`)
    // Alike in every word of four bytes, so that only their lengths tell them apart.
    const alike = Array.from({ length: 24_000 }, (_, index) =>
      String.fromCharCode(0x21 + (index % 94)).repeat(index / 94)
    )
    const names = [...topics, ...alike]
    const header = new ReceivedHeader()
    for (const name of [...names, 'ä'.repeat(300)]) {
      const bytes = jsonFrame({ fields: { topic: name } })
      header.read(bytes, 0, bytes.length, FIELD_MAX)
      expect(header.interned(TOPIC)).toBe(name)
    }
  })
})

describe('the reader of headers', () => {
  const text = fc.string({ unit: 'binary', maxLength: 40 })
  const head = fc.record({
    code: fc.integer({ min: 0, max: 32767 }),
    opaque: fc.integer(),
    flag: fc.integer({ min: 0, max: 3 }),
    version: fc.integer({ min: 0, max: 32767 }),
    remark: text,
    fields: fc.dictionary(
      text.filter(name => name !== ''),
      text.filter(value => value !== ''),
      { noNullPrototype: true }
    )
  })

  test('reads what both forms say, whatever the texts are', () => {
    fc.assert(
      fc.property(head, text, (head, body) => {
        const wanted = expectedOf(head)
        expect(everything(read(jsonFrame(head, body)))).toEqual({
          ...wanted,
          remark: head.remark,
          body: utf8(body)
        })
        expect(everything(read(binaryFrame(head, body)))).toEqual({ ...wanted, body: utf8(body) })
      })
    )
  })

  test('agrees with JSON.parse on every text that has an object in it', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), object => {
        const header = read(frame(JSON.stringify({ other: object, extFields: object })))
        const seen = new Map<string, string>()
        header.eachField((name, value) => seen.set(name, value))
        const own = Object.entries(object).filter(([, value]) => value !== null)
        expect([...seen].sort()).toEqual(
          own.map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]).sort()
        )
      })
    )
  })

  test('ends for any bytes with a header or a fault, and never reads beyond the header', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.tuple(head, fc.nat(), fc.nat(255), fc.boolean()).map(([head, at, byte, isBinary]) => {
        const whole = isBinary ? binaryFrame(head) : jsonFrame(head)
        const header = whole.subarray(8)
        header[at % header.length] = byte
        return header
      })
    )
    fc.assert(
      fc.property(bytes, fc.boolean(), (header, isBinary) => {
        const alone = outcome(frame(header, '', isBinary ? 1 : 0))
        const followed = outcome(frame(header, '"}}],:1 "a":"b"', isBinary ? 1 : 0))
        expect(followed).toEqual(alone)
      }),
      { numRuns: 2000 }
    )
  })
})

function expectedOf({ code, opaque, flag, version, remark, fields }: Head) {
  const names = Object.entries(fields ?? {}).map(([name, value]) => [utf8(name), utf8(value ?? '')] as const)
  return { code, opaque, flag, version, remark: remark === '' ? undefined : remark, fields: [...new Map(names)].sort() }
}

/** What a text becomes in UTF-8, half surrogate pairs replaced. */
const utf8 = (text: string) => Buffer.from(text).toString()

function everything(header: ReceivedHeader) {
  const fields = new Map<string, string>()
  header.eachField((name, value) => fields.set(name, value))
  const { code, opaque, flag, version, remark } = header
  return { code, opaque, flag, version, remark, fields: [...fields].sort(), body: Buffer.from(header.body).toString() }
}

function outcome(bytes: Buffer) {
  const result = tryRead(bytes)
  return typeof result === 'string' ? result : { ...everything(result), body: '' }
}

function tryRead(bytes: Buffer): ReceivedHeader | string {
  const header = new ReceivedHeader()
  const copy = Buffer.from(bytes) // The reader undoes escapes in place.
  return header.read(copy, 0, copy.length, FIELD_MAX) ?? header
}

function read(bytes: Buffer): ReceivedHeader {
  const header = tryRead(bytes)
  if (typeof header === 'string') throw new Error(header)
  return header
}

function withCount(count: string): ReceivedHeader {
  return read(jsonFrame({ fields: { count } }))
}

function binaryHead(...parts: Uint8Array[]): Buffer {
  return Buffer.concat([Buffer.alloc(13), ...parts])
}
