import { describe, expect, test } from 'vitest'
import { REMOTING_LIMITS, REQUEST, readSend, type SendFields } from '../../src/protocol/index.ts'
import { ReceivedHeader } from '../../src/protocol/remoting/received-header.ts'
import { jsonFrame } from './frames.ts'

const LONG = {
  producerGroup: 'group',
  topic: 'T',
  defaultTopic: 'TBW102',
  defaultTopicQueueNums: '4',
  queueId: '-1',
  sysFlag: '769',
  bornTimestamp: '1758276000123',
  flag: '7',
  properties: 'a\u0001b"\u0002',
  reconsumeTimes: '2',
  unitMode: 'false',
  maxReconsumeTimes: '16',
  batch: 'true',
  bname: 'broker-a'
}
const LETTERS = 'abcdefghijklmn'
const SHORT = Object.fromEntries(Object.values(LONG).map((value, index) => [LETTERS[index]!, value]))
const REQUIRED = 8

const FORMS = [
  { form: 'long names', codes: [REQUEST.SEND_MESSAGE, REQUEST.SEND_REPLY_MESSAGE], fields: LONG },
  {
    form: 'letters',
    codes: [REQUEST.SEND_MESSAGE_V2, REQUEST.SEND_BATCH_MESSAGE, REQUEST.SEND_REPLY_MESSAGE_V2],
    fields: SHORT
  }
]

describe.each(FORMS)('a request to store something with $form', ({ codes, fields }) => {
  test.each(codes)('under code %i gives all of its fields', code => {
    expect(sent(code, fields)).toEqual({
      producerGroup: 'group',
      topic: 'T',
      defaultTopic: 'TBW102',
      defaultTopicQueueNums: 4,
      queueId: -1,
      sysFlag: 769,
      bornAtMs: 1758276000123,
      flag: 7,
      properties: 'a\u0001b"\u0002',
      reconsumeTimes: 2,
      maxReconsumeTimes: 16,
      isBatch: true,
      body: 'body',
      clientVersion: 317
    })
  })

  test('needs no more than the first eight, and nothing of an earlier request stays', () => {
    const into = {} as SendFields
    sent(codes[0]!, fields, into)
    const required = Object.fromEntries(Object.entries(fields).slice(0, REQUIRED))
    expect(sent(codes[0]!, required, into)).toMatchObject({
      properties: '',
      reconsumeTimes: 0,
      maxReconsumeTimes: -1,
      isBatch: false
    })
  })

  test.each(
    Object.keys(LONG)
      .slice(0, REQUIRED)
      .map((name, index) => [name, index] as const)
  )('names %s when it is missing, or null', (name, index) => {
    const [key] = Object.entries(fields)[index]!
    const without = Object.fromEntries(Object.entries(fields).filter(([name]) => name !== key))
    const missing = expect.objectContaining({
      code: 'PARAMETER_INVALID',
      details: { field: name, expected: 'a value' }
    })
    expect(() => sent(codes[0]!, without)).toThrow(missing)
    expect(() => sent(codes[0]!, { ...without, [key]: null })).toThrow(missing)
  })

  test('names a number that is none as the request has it', () => {
    const [key] = Object.entries(fields)[4]!
    expect(() => sent(codes[0]!, { ...fields, [key]: '3.5' })).toThrow(
      expect.objectContaining({ details: { field: key, value: '3.5', expected: 'an integer of 32 bits' } })
    )
  })

  test('passes over fields that it does not know', () => {
    const unknown = { z: '1', ä: '2', topics: '3', '': '4', AccessKey: 'x', ['x'.repeat(40)]: '5' }
    expect(sent(codes[0]!, { ...unknown, ...fields })).toMatchObject({ topic: 'T' })
  })
})

function sent(code: number, fields: Record<string, string | null>, into = {} as SendFields) {
  const bytes = jsonFrame({ code, version: 317, fields }, 'body')
  const header = new ReceivedHeader()
  header.read(bytes, 0, bytes.length, REMOTING_LIMITS.fieldCountMax)
  readSend(header, into)
  return { ...into, properties: Buffer.from(into.properties).toString(), body: Buffer.from(into.body).toString() }
}
