/** Messages that consumers give back, over the wire, and the same message as its consumer gets it again. */
import { describe, expect, test, vi } from 'vitest'
import { REQUEST, RESPONSE } from '../../../src/protocol/index.ts'
import { ask, brokerPlace, bytes, fieldsOf, heartbeat, pullFields, sendFieldsV2 } from './broker-place.ts'

const fields = { offset: 0, group: 'g', delayLevel: 0, originMsgId: 'UK1', originTopic: 'orders', unitMode: false }
const maxOffset = async (client: Parameters<typeof ask>[0], topic: string) =>
  fieldsOf(await ask(client, REQUEST.GET_MAX_OFFSET, { topic, queueId: 0 })).offset

describe('a message that a consumer sends back', () => {
  test('comes again after its delay, in the retry topic of its group', async () => {
    await using place = await brokerPlace({ messageDelayLevel: '1s 1s 1s' })
    const client = await place.client()
    await ask(client, REQUEST.HEART_BEAT, {}, heartbeat())
    await ask(client, REQUEST.SEND_MESSAGE_V2, sendFieldsV2(), bytes('again'))
    const answer = await ask(client, REQUEST.CONSUMER_SEND_MSG_BACK, { ...fields, maxReconsumeTimes: 16 })
    expect(answer).toMatchObject({ code: RESPONSE.SUCCESS, remark: undefined })
    expect(await maxOffset(client, '%RETRY%g')).toBe('0')
    place.clock.advance(1000)
    await vi.waitFor(async () => expect(await maxOffset(client, '%RETRY%g')).toBe('1'), 5000)
    const pulled = await ask(client, REQUEST.PULL_MESSAGE, pullFields({ topic: '%RETRY%g' }))
    expect(pulled.code).toBe(RESPONSE.SUCCESS)
    expect(Buffer.from(pulled.body).includes('again')).toBe(true)
  })

  test.each([
    ['with 0 retries in the header', { maxReconsumeTimes: 0 }],
    ['with a level below 0', { delayLevel: -1 }]
  ])('%s is a dead letter at once, and can be pulled', async (_, more) => {
    await using place = await brokerPlace()
    const client = await place.client()
    await ask(client, REQUEST.SEND_MESSAGE_V2, sendFieldsV2(), bytes('dead'))
    expect((await ask(client, REQUEST.CONSUMER_SEND_MSG_BACK, { ...fields, ...more })).code).toBe(RESPONSE.SUCCESS)
    const pulled = await ask(client, REQUEST.PULL_MESSAGE, pullFields({ topic: '%DLQ%g' }))
    expect(pulled.code).toBe(RESPONSE.SUCCESS)
    expect(Buffer.from(pulled.body).includes('dead')).toBe(true)
  })

  test.each([
    ['a place without a record', { offset: 5 }, RESPONSE.SYSTEM_ERROR],
    ['no group', { group: undefined }, RESPONSE.INVALID_PARAMETER]
  ])('with %s is refused', async (_, more, code) => {
    await using place = await brokerPlace()
    const client = await place.client()
    await ask(client, REQUEST.SEND_MESSAGE_V2, sendFieldsV2(), bytes('m'))
    expect((await ask(client, REQUEST.CONSUMER_SEND_MSG_BACK, { ...fields, ...more })).code).toBe(code)
  })
})
