import { describe, expect, test } from 'vitest'
import { AssertionError } from '../../src/base/index.ts'
import {
  checkClientTopicName,
  checkTopicName,
  decodeMessageId,
  encodeMessageId,
  hostToBytes,
  isTopicName,
  parseSegmentName,
  readHost,
  segmentName
} from '../../src/layout/index.ts'
import { hexOf, viewOf } from './bytes.ts'

describe('a host', () => {
  test.each([
    ['10.0.0.1', '0a000001', '10.0.0.1'],
    ['255.255.255.255', 'ffffffff', '255.255.255.255'],
    ['::', '00000000000000000000000000000000', '::'],
    ['::1', '00000000000000000000000000000001', '::1'],
    ['2001:DB8:0:0:1:0:0:1', '20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
    ['1:0:0:2:0:0:0:3', '00010000000000020000000000000003', '1:0:0:2::3'],
    ['1:0:2:3:4:5:6:7', '00010000000200030004000500060007', '1:0:2:3:4:5:6:7'],
    ['1::', '00010000000000000000000000000000', '1::'],
    ['fe80::1%eth0', 'fe800000000000000000000000000001', 'fe80::1'],
    ['64:ff9b::10.0.0.1', '0064ff9b00000000000000000a000001', '64:ff9b::a00:1'],
    ['::ffff:10.0.0.1', '0a000001', '10.0.0.1'],
    ['::FFFF:a00:1', '0a000001', '10.0.0.1']
  ])('%s is written as %s and read as %s', (address, hex, text) => {
    const bytes = hostToBytes({ address, port: 50000 })
    expect(hexOf(bytes)).toBe(`${hex}0000c350`)
    expect(readHost(viewOf(bytes), 0, bytes.length)).toEqual({ address: text, port: 50000 })
  })

  test.each([
    ['a name', 'localhost', 1],
    ['nothing', '', 1],
    ['a cut address', '10.0.0', 1],
    ['a negative port', '10.0.0.1', -1],
    ['a port that is too large', '10.0.0.1', 65536],
    ['a port that is no integer', '10.0.0.1', 1.5],
    ['a port that is no number', '10.0.0.1', Number.NaN]
  ])('of %s is refused', (_, address, port) => {
    expect(() => hostToBytes({ address, port })).toThrow(expect.objectContaining({ code: 'MESSAGE_INVALID' }))
  })
})

describe('a message id', () => {
  test('names the host of the store and the place of the record', () => {
    const host = { address: '10.0.0.2', port: 10911 }
    expect(encodeMessageId(hostToBytes(host), 4096)).toBe('0A00000200002A9F0000000000001000')
    expect(decodeMessageId('0A00000200002A9F0000000000001000')).toEqual({ host, physicalOffset: 4096 })
    expect(decodeMessageId('0a00000200002a9f0000000000001000').physicalOffset).toBe(4096)
  })

  test('of an IPv6 host has 56 digits', () => {
    const host = { address: 'fe80::1', port: 10911 }
    const id = encodeMessageId(hostToBytes(host), 2 ** 40)
    expect(id).toBe('FE80000000000000000000000000000100002A9F0000010000000000')
    expect(decodeMessageId(id)).toEqual({ host, physicalOffset: 2 ** 40 })
  })

  test.each([
    ['nothing', ''],
    ['a digit too few', '0A00000200002A9F000000000000100'],
    ['a letter that is no digit', '0A00000200002A9F000000000000100G'],
    ['an id that a gRPC client made', '01A0B0C0D0E0F00102030405060708090A'],
    ['a negative place', '0A00000200002A9FFFFFFFFFFFFFFFFF'],
    ['a place that a number cannot hold', '0A00000200002A9F7FFFFFFFFFFFFFFF']
  ])('is not %s', (_, id) => {
    expect(() => decodeMessageId(id)).toThrow(expect.objectContaining({ code: 'MESSAGE_ID_INVALID' }))
  })
})

describe('the name of a topic', () => {
  const retry = (length: number) => '%RETRY%'.padEnd(length, 'g')

  test.each([
    ['orders', true],
    ['a-b_c%d|E9', true],
    ['%LMQ%$parent$child', true],
    ['%RETRY%group+topic', true],
    ['x'.repeat(127), true],
    [retry(255), true],
    ['', false],
    [' ', false],
    ['../x', false],
    ['..', false],
    ['a/b', false],
    ['a\\b', false],
    ['a.b', false],
    ['a\0b', false],
    ['a\n', false],
    ['größe', false],
    ['x'.repeat(128), false],
    ['%DLQ%'.padEnd(128, 'g'), false],
    [retry(256), false]
  ])('%j may be stored: %s', (topic, valid) => {
    expect(isTopicName(topic)).toBe(valid)
    const check = () => checkTopicName(topic)
    if (valid) expect(check).not.toThrow()
    else expect(check).toThrow(expect.objectContaining({ code: 'TOPIC_NAME_INVALID' }))
  })

  test.each([['%RETRY%group+topic'], ['%LMQ%$parent$child'], ['a b'], [retry(128)]])(
    '%s may not come from a client',
    topic => {
      expect(() => checkClientTopicName(topic)).toThrow(expect.objectContaining({ code: 'TOPIC_NAME_INVALID' }))
    }
  )

  test('that a client sends to may have letters, digits and a few signs', () => {
    expect(() => checkClientTopicName('a-b_c%d|E9')).not.toThrow()
  })
})

describe('the name of a segment', () => {
  test('is its position, as 20 digits', () => {
    expect(segmentName(0)).toBe('00000000000000000000')
    expect(segmentName(1073741824)).toBe('00000000001073741824')
    expect(parseSegmentName('00000000001073741824')).toBe(1073741824)
  })

  test.each(['', '0', '0000000000107374182x', '000000000010737418240', '-0000000001073741824', '99999999999999999999'])(
    'is not %j',
    name => expect(parseSegmentName(name)).toBeUndefined()
  )

  test.each([-1, 0.5, 2 ** 53])('is never made of %d', base => {
    expect(() => segmentName(base)).toThrow(AssertionError)
  })
})
