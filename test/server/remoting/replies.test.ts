/** Replies: from the consumer that answers to the producer that waits, through the broker. */
import { describe, expect, test, vi } from 'vitest'
import { REQUEST, RESPONSE, type RequestHandler } from '../../../src/protocol/index.ts'
import {
  ask,
  type BrokerPlace,
  brokerPlace,
  bytes,
  fieldsOf,
  heartbeat,
  sendFields,
  sendFieldsV2
} from './broker-place.ts'

const REPLY_TOPIC = 'C_REPLY_TOPIC'
const CLIENT = '10.0.0.5@1#2'
const properties = (client: string) =>
  `MSG_TYPE\u0001reply\u0002CORRELATION_ID\u0001c1\u0002REPLY_TO_CLIENT\u0001${client}\u0002TTL\u00013000`
const body = bytes('42')

interface Pushed {
  readonly fields: Record<string, string>
  readonly body: string
}

/** A producer that is known to the broker and answers what is pushed to it with `code`, or not at all, or goes away. */
async function requester(
  place: BrokerPlace,
  code: number | 'closes' | undefined = RESPONSE.SUCCESS
): Promise<Pushed[]> {
  const pushed: Pushed[] = []
  const onRequest: RequestHandler = (request, connection) => {
    if (request.code !== REQUEST.PUSH_REPLY_MESSAGE_TO_CLIENT) return
    pushed.push({ fields: fieldsOf(request), body: Buffer.from(request.body).toString() })
    if (code === 'closes') connection.close('it has heard enough')
    else if (code !== undefined) connection.begin(request.opaque, code).end()
  }
  const client = await place.client(onRequest)
  await ask(client, REQUEST.HEART_BEAT, {}, heartbeat({ clientID: CLIENT, consumerDataSet: [] }))
  return pushed
}

const storedCount = ({ store }: BrokerPlace) => store.maxOffset({ topic: REPLY_TOPIC, queueId: 0 })

describe('a reply', () => {
  test.each([
    ['under long names', REQUEST.SEND_REPLY_MESSAGE, sendFields],
    ['under letters', REQUEST.SEND_REPLY_MESSAGE_V2, sendFieldsV2]
  ])('%s is pushed to the producer that asked, and a copy is stored', async (_, code, fields) => {
    await using place = await brokerPlace()
    const pushed = await requester(place)
    const replier = await place.client()
    const request = fields({ topic: REPLY_TOPIC, queueId: -1, properties: properties(CLIENT), flag: 7 })
    const answer = await ask(replier, code, request, body)

    expect(answer.code).toBe(RESPONSE.SUCCESS)
    expect(fieldsOf(answer)).toMatchObject({ queueId: '0', queueOffset: '0', MSG_REGION: 'DefaultRegion' })
    expect(fieldsOf(answer).msgId).toMatch(/^0A010203/)
    expect(pushed).toHaveLength(1)
    expect(pushed[0]?.body).toBe('42')
    expect(pushed[0]?.fields).toMatchObject({
      topic: REPLY_TOPIC,
      flag: '7',
      bornTimestamp: '1700000000000',
      storeHost: '10.1.2.3:10911',
      storeTimestamp: String(place.clock.nowMs()),
      properties: `${properties(CLIENT)}\u0002PUSH_REPLY_TIME\u0001${place.clock.nowMs()}\u0002`
    })
    expect(pushed[0]?.fields.bornHost).toMatch(/^127\.0\.0\.1:\d+$/)
    const { messages } = await place.store.read({ topic: REPLY_TOPIC, queueId: 0, offset: 0 })
    expect(messages.map(message => message.properties.CORRELATION_ID)).toEqual(['c1'])
  })

  test('is not stored with storeReplyMessageEnable=false, and still pushed', async () => {
    await using place = await brokerPlace({ storeReplyMessageEnable: 'false' })
    const pushed = await requester(place)
    const fields = sendFieldsV2({ topic: REPLY_TOPIC, properties: properties(CLIENT) })
    const answer = await ask(await place.client(), REQUEST.SEND_REPLY_MESSAGE_V2, fields, body)
    expect(fieldsOf(answer)).toMatchObject({ msgId: '0', queueId: '0', queueOffset: '0' })
    expect(pushed).toHaveLength(1)
    expect(storedCount(place)).toBe(0)
  })

  test.each([
    ['nobody is known here as the producer', 'another', RESPONSE.SUCCESS, 'channel of <another> not found'],
    ['the producer refuses it', CLIENT, RESPONSE.SYSTEM_ERROR, `push reply message to ${CLIENT} fail`],
    ['the producer goes away', CLIENT, 'closes', `push reply message to ${CLIENT} fail`]
  ] as const)(
    'that does not arrive because %s is answered with an error, and the copy stays',
    async (_, to, code, remark) => {
      await using place = await brokerPlace()
      await requester(place, code)
      const fields = sendFieldsV2({ topic: REPLY_TOPIC, properties: properties(to) })
      const answer = await ask(await place.client(), REQUEST.SEND_REPLY_MESSAGE_V2, fields, body)
      expect(answer.code).toBe(RESPONSE.SYSTEM_ERROR)
      expect(answer.remark).toContain(remark)
      expect(storedCount(place)).toBe(1)
    }
  )

  test('whose producer has gone away is answered with an error', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    await ask(client, REQUEST.HEART_BEAT, {}, heartbeat({ clientID: CLIENT, consumerDataSet: [] }))
    await ask(client, REQUEST.UNREGISTER_CLIENT, { clientID: CLIENT, producerGroup: 'p' })
    const fields = sendFieldsV2({ topic: REPLY_TOPIC, properties: properties(CLIENT) })
    const answer = await ask(await place.client(), REQUEST.SEND_REPLY_MESSAGE_V2, fields, body)
    expect(answer.remark).toContain(`channel of <${CLIENT}> not found`)
  })

  test('is refused before anything is stored or pushed, for the reasons of a send', async () => {
    await using place = await brokerPlace()
    const pushed = await requester(place)
    const fields = sendFieldsV2({ topic: 'bad topic', properties: properties(CLIENT) })
    const answer = await ask(await place.client(), REQUEST.SEND_REPLY_MESSAGE_V2, fields, body)
    expect(answer.code).toBe(RESPONSE.INVALID_PARAMETER)
    expect(pushed).toEqual([])
  })

  test('that names nobody is answered with an error', async () => {
    await using place = await brokerPlace()
    const fields = sendFieldsV2({ topic: REPLY_TOPIC, properties: 'MSG_TYPE\u0001reply\u0002' })
    const answer = await ask(await place.client(), REQUEST.SEND_REPLY_MESSAGE_V2, fields, body)
    expect(answer).toMatchObject({ code: RESPONSE.SYSTEM_ERROR })
    expect(answer.remark).toContain('REPLY_TO_CLIENT is null')
  })

  test('keeps no other request of its sender waiting while the producer is silent', async () => {
    await using place = await brokerPlace()
    const pushed = await requester(place, undefined) // Never answers: the reply fails when everything closes.
    const replier = await place.client()
    const fields = sendFieldsV2({ topic: REPLY_TOPIC, properties: properties(CLIENT) })
    const late = ask(replier, REQUEST.SEND_REPLY_MESSAGE_V2, fields, body).catch((error: Error) => error)
    await ask(replier, REQUEST.GET_MAX_OFFSET, { topic: REPLY_TOPIC, queueId: 0 })
    await vi.waitFor(() => expect(pushed).toHaveLength(1))
    replier.close('the test is over')
    await late
  })
})
