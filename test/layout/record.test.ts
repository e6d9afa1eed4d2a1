import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AssertionError } from '../../src/base/index.ts'
import {
  BLANK_MAGIC,
  bodyIsIntact,
  checksum31,
  closeRecord,
  decodeRecord,
  encodeProperties,
  encodeText,
  hostToBytes,
  locate,
  RECORD_BLANK,
  RECORD_BROKEN,
  RECORD_BYTES_MIN,
  RECORD_CHECKSUM_BYTES,
  RECORD_CHECKSUM_PROPERTY,
  RECORD_HEAD,
  RECORD_MAGIC_V1,
  RECORD_MAGIC_V2,
  RECORD_WHOLE,
  RecordDraft,
  RecordPositions,
  recordBytes,
  recordMagicFor,
  SYS_FLAG,
  sizeOfRecord,
  topicLengthBytesOf,
  verifyRecordChecksum,
  withHostBits,
  writeBlank,
  writeRecordChecksum,
  writeRecordHead
} from '../../src/layout/index.ts'
import { bytesOfHex, guarded, hexOf, viewOf } from './bytes.ts'

/** Decoded and compared with Java's own decoder. */
const vector = bytesOfHex(`
  000000bc daa320a7 3610a686 00000003 00000000 0000000000000007 0000000000001000 00000000 0000018bcfe56800
  0a0000010000c350 0000018bcfe5687b 0a00000200002a9f 00000000 0000000000000000 00000005 68656c6c6f
  09 546f70696354657374 0053
  4b455953016b3102 54414753015461674102
  554e49515f4b455901304130303030303130303031303030303030303130303030303030303030414102
  434c55535445520144656661756c74436c757374657202`)

const message = {
  topic: 'TopicTest',
  queueId: 3,
  flag: 0,
  queueOffset: 7,
  physicalOffset: 4096,
  sysFlag: 0,
  bornAtMs: 1700000000000,
  bornHost: { address: '10.0.0.1', port: 50000 },
  storedAtMs: 1700000000123,
  storeHost: { address: '10.0.0.2', port: 10911 },
  reconsumeTimes: 0,
  preparedTransactionOffset: 0,
  body: encodeText('hello'),
  properties: { KEYS: 'k1', TAGS: 'TagA', UNIQ_KEY: '0A0000010001000000010000000000AA', CLUSTER: 'DefaultCluster' }
}

describe('the record that Java wrote', () => {
  test('decodes to its message', () => {
    const decoded = decodeAll(vector)
    expect(decoded).toMatchObject({ ...message, tag: 'TagA', keys: ['k1'], sizeBytes: 188, bodyChecksum: 0x3610a686 })
  })

  test('is what we write for that message', () => {
    expect(hexOf(write(message))).toBe(hexOf(vector))
  })

  test('carries a checksum of the whole record where asked for', () => {
    const bytes = write(message, { checksum: true })
    expect(bytes.length).toBe(0xd0)
    expect(hexOf(bytes.subarray(-20))).toBe('5f5f435243333223013934333739313035333102')
    expect(verifyRecordChecksum(bytes, located(bytes))).toBe('right')
  })
})

describe('a decoded record', () => {
  test('is a copy: it stays when the bytes go', () => {
    const bytes = vector.slice()
    const decoded = decodeAll(bytes)
    bytes.fill(0)
    expect(decoded).toMatchObject(message)
  })

  test('shows all its fields in JSON', () => {
    const { body, ...rest } = message
    expect(JSON.parse(JSON.stringify(decodeAll(vector)))).toMatchObject({ ...rest, tag: 'TagA', keys: ['k1'] })
  })

  test('keeps neighbours apart, whatever their sizes', () => {
    const sizes = [0, 1, 100, 8_000, 70_000, 9_000, 1_000, 20_000, 5]
    const decoded = sizes.map((size, number) =>
      decodeAll(write({ ...message, body: new Uint8Array(size).fill(number) }))
    )
    for (const [number, { body, properties }] of decoded.entries()) {
      expect(body).toEqual(new Uint8Array(sizes[number]!).fill(number))
      expect(properties).toEqual(message.properties)
    }
  })

  test('does not take topic or host of the record before it', () => {
    const other = {
      ...message,
      topic: 'TopicTesu',
      bornHost: { address: '10.0.0.1', port: 50001 },
      storeHost: { address: '10.0.0.3', port: 10911 }
    }
    for (const each of [message, other, message]) expect(decodeAll(write(each))).toMatchObject(each)
  })
})

describe('writing a record', () => {
  const host = fc.oneof(
    fc.record({ address: fc.ipV4(), port: fc.nat(65535) }),
    fc.record({ address: fc.constantFrom('2001:db8::1', 'fe80::1:2:3', '::', '1:2:3:4:5:6:7:8'), port: fc.nat(65535) })
  )
  const int53 = fc.oneof(fc.nat(), fc.maxSafeNat())
  const text = fc.string({ minLength: 1, unit: fc.constantFrom('a', 'ö', '更', '\u{1F418}', ' ') })
  const anyMessage = fc.record({
    topic: fc.oneof(fc.string({ minLength: 1, maxLength: 300, unit: fc.constantFrom('a', 'Z', '%') })),
    queueId: fc.nat(0x7fffffff),
    flag: fc.integer({ min: -0x80000000, max: 0x7fffffff }),
    queueOffset: int53,
    physicalOffset: int53,
    sysFlag: fc.integer({ min: 0, max: 0xfff }),
    bornAtMs: fc.oneof(int53, fc.constant(-1)),
    bornHost: host,
    storedAtMs: int53,
    storeHost: host,
    reconsumeTimes: fc.nat(1000),
    preparedTransactionOffset: fc.oneof(int53, fc.constant(-1)),
    body: fc.uint8Array({ maxLength: 200 }),
    properties: fc.dictionary(text, text, { maxKeys: 5, noNullPrototype: false })
  })

  test('and reading it gives the message back, with and without checksum', () => {
    fc.assert(
      fc.property(anyMessage, fc.boolean(), (each, checksum) => {
        const bytes = write(each, { checksum })
        const positions = located(bytes)
        expect(bodyIsIntact(bytes, viewOf(bytes), positions)).toBe(true)
        expect(verifyRecordChecksum(bytes, positions)).toBe(checksum ? 'right' : 'absent')
        const { sysFlag, properties, ...rest } = each
        const decoded = Object.entries(decodeAll(bytes).properties).filter(
          ([name]) => name !== RECORD_CHECKSUM_PROPERTY
        )
        expect(Object.fromEntries(decoded)).toEqual({ ...properties })
        expect(decodeAll(bytes)).toMatchObject(rest)
        expect(decodeAll(bytes).sysFlag & ~0x30).toBe(sysFlag & ~0x30)
      })
    )
  })

  test('says the places that locate finds', () => {
    const bytes = new Uint8Array(500)
    const { places } = writeAt(bytes, 100, message)
    const found = new RecordPositions()
    expect(locate(viewOf(bytes), 100, 500, found)).toBe(RECORD_WHOLE)
    expect(places).toEqual(found)
  })

  test('leaves nothing that looks like a record before it is closed', () => {
    const bytes = new Uint8Array(500)
    writeRecordHead(bytes, viewOf(bytes), 0, draftOf(message, 0), new RecordPositions())
    expect(locate(viewOf(bytes), 0, 500, new RecordPositions())).toBe(RECORD_BROKEN)
  })

  test('takes version 2 for a topic of more than 127 bytes, and its length two bytes', () => {
    expect([127, 128].map(recordMagicFor)).toEqual([RECORD_MAGIC_V1, RECORD_MAGIC_V2])
    const sizes = { bornV6: false, storeV6: false, bodyBytes: 5, propertiesBytes: 83 }
    expect(recordBytes({ ...sizes, topicBytes: 9 })).toBe(188)
    expect(recordBytes({ ...sizes, topicBytes: 127 })).toBe(188 + 118)
    expect(recordBytes({ ...sizes, topicBytes: 128 })).toBe(188 + 119 + 1)
    expect(recordBytes({ ...sizes, bornV6: true, storeV6: true, topicBytes: 9 })).toBe(188 + 24)
  })

  test.each<[string, (draft: RecordDraft) => void]>([
    ['whose size is not the sum of its parts', draft => draft.totalBytes++],
    ['whose address bits are not those of its hosts', draft => (draft.sysFlag = SYS_FLAG.BORN_HOST_V6)]
  ])('fails for a draft %s', (_, change) => {
    const draft = draftOf(message, 0)
    change(draft)
    const bytes = new Uint8Array(500)
    expect(() => writeRecordHead(bytes, viewOf(bytes), 0, draft, new RecordPositions())).toThrow(AssertionError)
  })

  test('sets the address bits to what the hosts are, and keeps the others', () => {
    expect(withHostBits(0x3f, 8, 8)).toBe(0x0f)
    expect(withHostBits(0x00, 20, 8)).toBe(SYS_FLAG.BORN_HOST_V6)
    expect(withHostBits(0x04, 8, 20)).toBe(SYS_FLAG.STORE_HOST_V6 | 0x04)
  })
})

describe('locate', () => {
  test('is tried below with a view that really notices a read outside', () => {
    const view = guarded(vector, 10, 20)
    expect(view.getInt32(16)).toBe(viewOf(vector).getInt32(16))
    expect(() => view.getInt32(17)).toThrow(RangeError)
    expect(() => view.getInt8(9)).toThrow(RangeError)
  })

  test.each<[string, (bytes: Uint8Array, view: DataView) => void]>([
    ['zeros', bytes => bytes.fill(0)],
    ['another magic', (_, view) => view.setInt32(RECORD_HEAD.at.magic, RECORD_MAGIC_V1 + 1)],
    ['a size that is too small', (_, view) => view.setInt32(0, RECORD_BYTES_MIN - 1)],
    ['a negative size', (_, view) => view.setInt32(0, -188)],
    ['a size beyond the range', (_, view) => view.setInt32(0, 189)],
    ['a size that cuts the properties', (_, view) => view.setInt32(0, 187)],
    ['a negative body', (_, view) => view.setInt32(84, -1)],
    ['a body beyond the record', (_, view) => view.setInt32(84, 0x7fffffff)],
    ['a body one byte longer', (_, view) => view.setInt32(84, 6)],
    ['a negative topic', (_, view) => view.setInt8(93, -9)],
    ['no topic', (_, view) => view.setInt8(93, 0)],
    ['a topic beyond the record', (_, view) => view.setInt8(93, 127)],
    ['negative properties', (_, view) => view.setInt16(103, -1)],
    ['properties one byte shorter', (_, view) => view.setInt16(103, 82)],
    ['an IPv6 bit without IPv6', (_, view) => view.setInt32(36, SYS_FLAG.BORN_HOST_V6)],
    ['the other version', (_, view) => view.setInt32(4, RECORD_MAGIC_V2)]
  ])('finds the record broken with %s', (_, change) => {
    const bytes = vector.slice()
    change(bytes, viewOf(bytes))
    expect(locate(viewOf(bytes), 0, bytes.length, new RecordPositions())).toBe(RECORD_BROKEN)
  })

  test('finds a record broken at every length that cuts it', () => {
    for (let until = 0; until < vector.length; until++) {
      expect(locate(viewOf(vector), 0, until, new RecordPositions())).toBe(RECORD_BROKEN)
    }
  })

  test('finds a record without topic broken, though its parts add up', () => {
    const bytes = new Uint8Array([...vector.subarray(0, 94), ...vector.subarray(103)])
    viewOf(bytes).setInt32(0, bytes.length)
    viewOf(bytes).setInt8(93, 0)
    expect(locate(viewOf(bytes), 0, bytes.length, new RecordPositions())).toBe(RECORD_BROKEN)
  })

  test('reads nothing after the range, whatever length the body claims', () => {
    const bytes = new Uint8Array([...vector, ...vector])
    for (const magic of [RECORD_MAGIC_V1, RECORD_MAGIC_V2]) {
      for (let bodyBytes = 0; bodyBytes < 2 * vector.length; bodyBytes++) {
        viewOf(bytes).setInt32(4, magic)
        viewOf(bytes).setInt32(84, bodyBytes)
        const shape = locate(guarded(bytes, 0, vector.length), 0, vector.length, new RecordPositions())
        expect(shape).toBe(magic === RECORD_MAGIC_V1 && bodyBytes === 5 ? RECORD_WHOLE : RECORD_BROKEN)
      }
    }
  })

  test('reads nothing after the range of a record that is too small for its IPv6 hosts', () => {
    const bytes = new Uint8Array([...vector, ...vector])
    viewOf(bytes).setInt32(36, SYS_FLAG.BORN_HOST_V6 | SYS_FLAG.STORE_HOST_V6)
    for (let size = RECORD_BYTES_MIN; size < vector.length; size++) {
      viewOf(bytes).setInt32(0, size)
      expect(locate(guarded(bytes, 0, size), 0, size, new RecordPositions())).toBe(RECORD_BROKEN)
    }
  })

  test('finds the blank, also when it takes the last 8 bytes', () => {
    const bytes = new Uint8Array(512)
    writeBlank(viewOf(bytes), 0, 512)
    expect(hexOf(bytes.subarray(0, 8))).toBe('00000200cbd43194')
    writeBlank(viewOf(bytes), 504, 512)
    const positions = new RecordPositions()
    expect(locate(viewOf(bytes), 504, 512, positions)).toBe(RECORD_BLANK)
    expect(positions.totalBytes).toBe(8)
    expect(() => writeBlank(viewOf(bytes), 505, 512)).toThrow(AssertionError)
  })

  test('never throws and never reads outside its range, whatever the bytes', () => {
    const magic = fc.constantFrom(RECORD_MAGIC_V1, RECORD_MAGIC_V2, BLANK_MAGIC, 0)
    const length = fc.oneof(fc.integer({ min: -2, max: 300 }), fc.integer({ min: -0x80000000, max: 0x7fffffff }))
    const anyBytes = fc.uint8Array({ maxLength: 300 })
    fc.assert(
      fc.property(anyBytes, magic, length, length, fc.nat(0xff), (bytes, magicValue, total, body, sysFlag) => {
        const view = viewOf(bytes)
        if (bytes.length >= 8) {
          view.setInt32(0, total)
          view.setInt32(4, magicValue)
        }
        if (bytes.length >= 88) {
          view.setInt32(36, sysFlag)
          view.setInt32(84, body)
        }
        const positions = new RecordPositions()
        const shape = locate(guarded(bytes, 0, bytes.length), 0, bytes.length, positions)
        if (shape === RECORD_WHOLE) expectInside(positions, 0, bytes.length)
      }),
      { numRuns: 2000 }
    )
  })

  test('never reads outside its range when one byte of a record is another, and what it finds lies inside', () => {
    fc.assert(
      fc.property(fc.nat(vector.length - 1), fc.nat(255), fc.nat(50), (index, value, at) => {
        const bytes = new Uint8Array(at + vector.length + 50).fill(0xff)
        bytes.set(vector, at)
        bytes[at + index] = value
        const positions = new RecordPositions()
        const until = at + vector.length
        if (locate(guarded(bytes, at, until), at, until, positions) === RECORD_WHOLE) expectInside(positions, at, until)
      }),
      { numRuns: 2000 }
    )
  })
})

describe('checksums', () => {
  test('tell a body of which one bit is another', () => {
    const bytes = vector.slice()
    expect(bodyIsIntact(bytes, viewOf(bytes), located(bytes))).toBe(true)
    bytes[88]! ^= 1
    expect(bodyIsIntact(bytes, viewOf(bytes), located(bytes))).toBe(false)
  })

  test('tell any changed bit before the last 20 bytes, and in the digits', () => {
    const bytes = write(message, { checksum: true })
    const positions = located(bytes)
    for (let at = 0; at < bytes.length; at++) {
      bytes[at]! ^= 1
      expect(verifyRecordChecksum(bytes, positions), `byte ${at}`).not.toBe('right')
      bytes[at]! ^= 1
    }
    expect(verifyRecordChecksum(bytes, positions)).toBe('right')
  })

  test('keep 31 bits', () => {
    expect(checksum31(encodeText('hello'))).toBe(0x3610a686)
    expect(checksum31(encodeText('a'))).toBe(0xe8b7be43 & 0x7fffffff)
  })
})

type Message = typeof message

function draftOf(from: Omit<Message, 'properties'> & { properties: object }, extraBytes: number): RecordDraft {
  const draft = new RecordDraft()
  draft.topicBytes = encodeText(from.topic)
  draft.magic = recordMagicFor(draft.topicBytes.length)
  draft.queueId = from.queueId
  draft.flag = from.flag
  draft.queueOffset = from.queueOffset
  draft.physicalOffset = from.physicalOffset
  draft.bornAtMs = from.bornAtMs
  draft.bornHostBytes = hostToBytes(from.bornHost)
  draft.storedAtMs = from.storedAtMs
  draft.storeHostBytes = hostToBytes(from.storeHost)
  draft.sysFlag = withHostBits(from.sysFlag, draft.bornHostBytes.length, draft.storeHostBytes.length)
  draft.reconsumeTimes = from.reconsumeTimes
  draft.preparedTransactionOffset = from.preparedTransactionOffset
  draft.bodyBytes = from.body.length
  draft.propertiesBytes = encodeProperties(Object.entries(from.properties)).length + extraBytes
  draft.totalBytes = sizeOfRecord(
    draft.bornHostBytes.length,
    draft.storeHostBytes.length,
    draft.bodyBytes,
    topicLengthBytesOf(draft.magic),
    draft.topicBytes.length,
    draft.propertiesBytes
  )
  return draft
}

function writeAt(bytes: Uint8Array, at: number, from: Message, checksum = false) {
  const view = viewOf(bytes)
  const draft = draftOf(from, checksum ? RECORD_CHECKSUM_BYTES : 0)
  const places = new RecordPositions()
  writeRecordHead(bytes, view, at, draft, places)
  bytes.set(from.body, places.bodyAt)
  bytes.set(encodeProperties(Object.entries(from.properties)), places.propertiesAt)
  closeRecord(view, at, draft.totalBytes, checksum31(from.body))
  if (checksum) writeRecordChecksum(bytes, at, draft.totalBytes)
  return { places, until: at + draft.totalBytes }
}

function write(from: Omit<Message, 'properties'> & { properties: object }, { checksum = false } = {}): Uint8Array {
  const bytes = new Uint8Array(from.body.length + 4000)
  const { until } = writeAt(bytes, 0, from as Message, checksum)
  return bytes.slice(0, until)
}

function located(bytes: Uint8Array): RecordPositions {
  const positions = new RecordPositions()
  expect(locate(viewOf(bytes), 0, bytes.length, positions)).toBe(RECORD_WHOLE)
  return positions
}

function decodeAll(bytes: Uint8Array) {
  return decodeRecord(bytes, viewOf(bytes), located(bytes))
}

function expectInside(positions: RecordPositions, at: number, until: number): void {
  const { totalBytes, bodyAt, bodyBytes, topicAt, topicBytes, propertiesAt, propertiesBytes } = positions
  expect(at + totalBytes).toBeLessThanOrEqual(until)
  expect(bodyBytes).toBeGreaterThanOrEqual(0)
  expect(topicBytes).toBeGreaterThan(0)
  expect(bodyAt + bodyBytes).toBeLessThan(topicAt)
  expect(topicAt + topicBytes + 2).toBe(propertiesAt)
  expect(propertiesAt + propertiesBytes).toBe(at + totalBytes)
}
