/** What a failure is answered with. */
import { describe, expect, test } from 'vitest'
import { VarveError } from '../../../src/base/index.ts'
import { RESPONSE } from '../../../src/protocol/index.ts'
import { refusalOf } from '../../../src/server/remoting/refusal.ts'

describe('a failure', () => {
  test('has the response code of its kind, and says what the catalogue says', () => {
    expect(refusalOf(new VarveError('TOPIC_UNKNOWN', { topic: 'T' }))).toEqual({
      responseCode: RESPONSE.TOPIC_NOT_EXIST,
      remark: expect.stringMatching(/^TOPIC_UNKNOWN: .*"topic":"T"/),
      isOurs: false
    })
  })

  test('of flow control begins with the words that people look for', () => {
    const reason = '[OVERLOAD]system busy, start flow control for a while'
    const { responseCode, remark } = refusalOf(new VarveError('BROKER_BUSY', { reason }))
    expect(responseCode).toBe(RESPONSE.SYSTEM_BUSY)
    expect(remark.startsWith(reason)).toBe(true)
  })

  test('that is a defect of ours tells clients nothing of it', () => {
    const refusal = refusalOf(new TypeError('x is not a function'))
    expect(refusal).toMatchObject({ responseCode: RESPONSE.SYSTEM_ERROR, isOurs: true })
    expect(refusal.remark).not.toContain('function')
  })
})
