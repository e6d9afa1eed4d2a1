/** Transactions over the wire: half messages, decisions, and the question to a producer that has not decided. */
import { describe, expect, test, vi } from 'vitest'
import { decodeRecord, locate, RECORD_WHOLE, RecordPositions } from '../../../src/layout/index.ts'
import { REQUEST, RESPONSE, type RemotingConnection } from '../../../src/protocol/index.ts'
import { ask, type BrokerPlace, brokerPlace, bytes, fieldsOf, heartbeat, sendFieldsV2 } from './broker-place.ts'

const COMMIT = 8
const ROLLBACK = 12
const UNDECIDED = 0
const PROPERTIES = 'TRAN_MSG\u0001true\u0002PGROUP\u0001p\u0002UNIQ_KEY\u0001UK1\u0002WAIT\u0001true\u0002'

/** The fields with which its producer decides about it. */
async function sendHalf(client: RemotingConnection): Promise<Record<string, string | number>> {
  const request = sendFieldsV2({ queueId: 2, sysFlag: 4, properties: PROPERTIES })
  const {
    msgId = '',
    queueId,
    queueOffset = '',
    transactionId
  } = fieldsOf(await ask(client, REQUEST.SEND_MESSAGE_V2, request, bytes('half')))
  expect({ queueId, transactionId }).toEqual({ queueId: '2', transactionId: 'UK1' })
  return {
    topic: 'orders',
    producerGroup: 'p',
    tranStateTableOffset: queueOffset,
    commitLogOffset: Number.parseInt(msgId.slice(16), 16),
    fromTransactionCheck: 'false',
    msgId: 'UK1',
    transactionId: 'UK1'
  }
}

const storedCount = ({ store }: BrokerPlace) => store.maxOffset({ topic: 'orders', queueId: 2 })

describe('a transaction', () => {
  test.each([
    [COMMIT, 1],
    [ROLLBACK, 0]
  ])('is decided by %i, which is confirmed as often as it is said', async (commitOrRollback, count) => {
    await using place = await brokerPlace()
    const client = await place.client()
    const end = await sendHalf(client)
    expect(storedCount(place)).toBe(0)
    for (let i = 0; i < 2; i++) {
      const answer = await ask(client, REQUEST.END_TRANSACTION, { ...end, commitOrRollback })
      expect(answer).toMatchObject({ code: RESPONSE.SUCCESS, remark: undefined })
      expect(storedCount(place)).toBe(count)
    }
  })

  test('is decided oneway, as clients do it', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    client.notify(REQUEST.END_TRANSACTION, { ...(await sendHalf(client)), commitOrRollback: COMMIT })
    await vi.waitFor(() => expect(storedCount(place)).toBe(1))
  })

  test('of which a oneway decision is refused tells so in the log, for nobody else hears of it', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    client.notify(REQUEST.END_TRANSACTION, {
      ...(await sendHalf(client)),
      producerGroup: 'strangers',
      commitOrRollback: COMMIT
    })
    await vi.waitFor(() => expect(place.logged.join()).toContain('decision of a transaction refused'))
    expect(place.logged.join()).toContain('strangers')
    expect(storedCount(place)).toBe(0)
  })

  test('is on disk when its commit is answered, with synchronous flush', async () => {
    await using place = await brokerPlace({ flushDiskType: 'SYNC_FLUSH' })
    const client = await place.client()
    const end = await sendHalf(client)
    const answer = await ask(client, REQUEST.END_TRANSACTION, { ...end, commitOrRollback: COMMIT })
    expect(answer.code).toBe(RESPONSE.SUCCESS)
    const { flushedUntil, appendedUntil } = place.store.info()
    expect(flushedUntil).toBe(appendedUntil)
    expect(storedCount(place)).toBe(1)
  })

  test('stays open when its producer does not know yet, and that is not answered', async () => {
    await using place = await brokerPlace()
    const client = await place.client()
    const end = await sendHalf(client)
    const unanswered = ask(client, REQUEST.END_TRANSACTION, { ...end, commitOrRollback: UNDECIDED }).then(
      () => 'answered',
      () => 'unanswered'
    )
    // Requests of a connection are served in order.
    await ask(client, REQUEST.GET_MAX_OFFSET, { topic: 'orders', queueId: 2 })
    expect(place.broker.transactions.windowLength).toBe(1)
    client.close('the test is over')
    expect(await unanswered).toBe('unanswered')
  })

  test.each([
    ['another group', { producerGroup: 'other' }, RESPONSE.SYSTEM_ERROR],
    ['a place where nothing is', { tranStateTableOffset: 7 }, RESPONSE.SYSTEM_ERROR],
    ['a group that is missing', { producerGroup: undefined }, RESPONSE.INVALID_PARAMETER]
  ])('is not decided by a request with %s', async (_, fields, code) => {
    await using place = await brokerPlace()
    const client = await place.client()
    const request = { ...(await sendHalf(client)), commitOrRollback: COMMIT, ...fields }
    expect(await ask(client, REQUEST.END_TRANSACTION, request)).toMatchObject({ code })
    expect(storedCount(place)).toBe(0)
  })

  test('that stays open is asked about, in the fields and with the record that clients expect', async () => {
    await using place = await brokerPlace()
    const asked: { fields: Record<string, string>; body: Uint8Array; isOneway: boolean }[] = []
    const client = await place.client(request => {
      if (request.code !== REQUEST.CHECK_TRANSACTION_STATE) return
      asked.push({ fields: fieldsOf(request), body: request.body.slice(), isOneway: request.isOneway })
    })
    await ask(client, REQUEST.HEART_BEAT, {}, heartbeat({ consumerDataSet: [] }))
    const end = await sendHalf(client)
    place.clock.advance(6000)
    await place.broker.transactions.check()
    await vi.waitFor(() => expect(asked).toHaveLength(1))
    const [{ fields, body, isOneway }] = asked as [(typeof asked)[0]]
    const { tranStateTableOffset, commitLogOffset, offsetMsgId } = fields
    expect(isOneway).toBe(true)
    expect(fields).toMatchObject({
      topic: 'RMQ_SYS_TRANS_HALF_TOPIC',
      msgId: 'UK1',
      transactionId: 'UK1',
      bname: 'broker-a',
      tranStateTableOffset: '1'
    })
    expect(Number.parseInt(offsetMsgId?.slice(16) ?? '', 16)).toBe(Number(commitLogOffset))
    const view = new DataView(body.buffer, body.byteOffset, body.length)
    const positions = new RecordPositions()
    expect(locate(view, 0, body.length, positions)).toBe(RECORD_WHOLE)
    expect(decodeRecord(body, view, positions)).toMatchObject({ topic: 'orders', queueId: 2, body: bytes('half') })

    const answered = { ...end, tranStateTableOffset, commitLogOffset, fromTransactionCheck: 'true' }
    client.notify(REQUEST.END_TRANSACTION, { ...answered, commitOrRollback: COMMIT })
    await vi.waitFor(() => expect(storedCount(place)).toBe(1))
  })
})
