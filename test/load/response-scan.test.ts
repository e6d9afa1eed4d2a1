/** Answers read without parsing must be read right, however a broker writes them. */
import { describe, expect, test } from 'vitest'
import { Answer, fieldName } from '../../src/load/response-scan.ts'

function frame(header: Readonly<Record<string, unknown>>, body = ''): Buffer {
  const text = JSON.stringify(header)
  const head = Buffer.alloc(8)
  head.writeInt32BE(4 + text.length + body.length, 0)
  head.writeInt32BE(text.length, 4)
  return Buffer.concat([head, Buffer.from(text), Buffer.from(body)])
}

const first = frame({ code: 0, extFields: { queueId: '3' }, flag: 1, opaque: 1_000_000_007, version: 479 }, 'body')

describe('an answer', () => {
  test('has its code, its opaque and its body', () => {
    const answer = new Answer()
    expect(answer.scan(first, 0, first.length)).toBe(true)
    expect([answer.code, answer.opaque]).toEqual([0, 1_000_000_007])
    expect(first.toString('latin1', answer.bodyAt, answer.until)).toBe('body')
    expect(answer.field(first, Buffer.from('"queueId":"'))).toBe(3)
  })

  test('is not there until its last byte is', () => {
    for (let until = 0; until < first.length; until++) expect(new Answer().scan(first, 0, until)).toBe(false)
  })

  test.each([
    { what: 'with a longer code', header: { code: 206, flag: 1, opaque: 1_000_000_008, version: 479 } },
    { what: 'with a negative code', header: { code: -9, flag: 1, opaque: 1_000_000_008, version: 479 } },
    { what: 'with its keys in another order', header: { opaque: 1_000_000_008, version: 479, code: 206 } },
    { what: 'with something behind the opaque', header: { code: 1, opaque: 1_000_000_008, remark: 'no', version: 1 } }
  ])('$what is read after one that was laid out otherwise', ({ header }) => {
    const second = frame(header)
    const bytes = Buffer.concat([first, second])
    const answer = new Answer()
    answer.scan(bytes, 0, bytes.length)
    expect(answer.scan(bytes, answer.until, bytes.length)).toBe(true)
    expect([answer.code, answer.opaque]).toEqual([header.code, header.opaque])
    expect(answer.until).toBe(bytes.length)
  })

  test('without an opaque, or without a field that is asked for, is an error that shows it', () => {
    const without = frame({ code: 3 })
    expect(() => new Answer().scan(without, 0, without.length)).toThrow(/an answer has no .*code.*3/)
    const answer = new Answer()
    answer.scan(first, 0, first.length)
    expect(() => answer.field(first, fieldName('nextBeginOffset'))).toThrow('nextBeginOffset')
  })
})
