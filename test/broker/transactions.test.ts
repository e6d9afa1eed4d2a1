/** Transactions: what becomes of half messages, who is asked about them, and what a crash leaves of that. */
import { describe, expect, test } from 'vitest'
import { seededRandom, VarveError } from '../../src/base/index.ts'
import { HALF_QUEUE, OPERATION_QUEUE } from '../../src/broker/index.ts'
import { SYS_FLAG } from '../../src/layout/index.ts'
import {
  type BrokerOnDisk,
  endTransaction,
  joinProducers,
  messageOf,
  openBrokerOnDisk,
  PRODUCERS,
  sendHalf
} from '../support/broker-on-disk.ts'
import { draft } from '../support/data-path.ts'

const TOPIC = 'orders'
const DISCARDED = 'TRANS_CHECK_MAX_TIME_TOPIC'
const TIMEOUT_MS = 6000
const INTERVAL_MS = 30_000

const operations = async (place: BrokerOnDisk) => place.bodies(OPERATION_QUEUE.topic)

/** The clock moves on and the check makes its pass. */
async function checkAfter(place: BrokerOnDisk, ms: number): Promise<void> {
  place.clock.advance(ms)
  await place.broker.transactions.check()
}

async function refusalOf(run: () => unknown): Promise<string | undefined> {
  try {
    await run()
  } catch (error) {
    if (error instanceof VarveError) return error.code
    throw error
  }
  return undefined
}

describe('a half message', () => {
  test('is where no consumer looks, as Apache RocketMQ stores it, and its producer learns the place', async () => {
    await using place = await openBrokerOnDisk()
    place.broker.sending.send(draft('before'))
    const sent = place.broker.sending.send(
      draft('half', {
        queueId: 3,
        flag: 9,
        sysFlag: 4,
        properties: { TRAN_MSG: 'true', PGROUP: PRODUCERS, UNIQ_KEY: 'U1', TAGS: 'paid', KEYS: 'k1 k2' }
      })
    )
    expect(sent).toMatchObject({ topic: TOPIC, queueId: 3, queueOffset: 0, uniqueKey: 'U1' })
    expect(await place.bodies(TOPIC, 3)).toEqual([])
    const [half] = await place.messages(HALF_QUEUE.topic)
    expect(half).toMatchObject({
      physicalOffset: sent?.positions[0],
      flag: 9,
      sysFlag: 0,
      tag: 'paid',
      keys: ['k1', 'k2']
    })
    expect(half?.properties).toEqual({
      TRAN_MSG: 'true',
      PGROUP: PRODUCERS,
      UNIQ_KEY: 'U1',
      TAGS: 'paid',
      KEYS: 'k1 k2',
      MSG_REGION: 'DefaultRegion',
      TRACE_ON: 'true',
      CLUSTER: 'C',
      __transactionId__: 'U1',
      REAL_TOPIC: TOPIC,
      REAL_QID: '3'
    })
  })

  test('that says so in its bits alone is illegal: no queue would have it', async () => {
    await using place = await openBrokerOnDisk()
    expect(await refusalOf(() => place.broker.sending.send(draft('x', { sysFlag: 4 })))).toBe('MESSAGE_ILLEGAL')
  })

  test('is refused with rejectTransactionMessage', async () => {
    await using place = await openBrokerOnDisk({ config: { rejectTransactionMessage: 'true' } })
    expect(await refusalOf(() => sendHalf(place, 'x'))).toBe('PERMISSION_DENIED')
  })
})

describe('a commit', () => {
  test('stores the message for consumers with all that it had, and says where it came from', async () => {
    await using place = await openBrokerOnDisk()
    const half = sendHalf(place, 'paid', { TAGS: 'a', KEYS: 'k' }, { flag: 9 })
    const [before] = await place.messages(HALF_QUEUE.topic)
    place.clock.advance(1000)
    endTransaction(place, 'commit', half)
    const [message] = await place.messages(TOPIC)
    expect(message).toMatchObject({
      properties: before?.properties,
      body: before?.body,
      flag: 9,
      sysFlag: SYS_FLAG.TRANSACTION_COMMIT,
      bornAtMs: before?.bornAtMs,
      bornHost: before?.bornHost,
      storeHost: before?.storeHost,
      storedAtMs: place.clock.nowMs(),
      preparedTransactionOffset: half.physicalOffset,
      queueOffset: 0
    })
    expect(await place.store.messagesByKey({ topic: TOPIC, key: 'k' })).toHaveLength(1)
  })

  test('is noted among the operations when it is time, many in one, in the form of Apache RocketMQ', async () => {
    await using place = await openBrokerOnDisk()
    for (const body of ['a', 'b', 'c']) endTransaction(place, 'commit', sendHalf(place, body))
    expect(await operations(place)).toEqual([])
    place.run('write operations of transactions')
    expect(await operations(place)).toEqual(['0,1,2,'])
    const [operation] = await place.messages(OPERATION_QUEUE.topic)
    expect(operation).toMatchObject({ tag: 'd', sysFlag: 0, flag: 0, queueId: 0, bornAtMs: place.clock.nowMs() })
    place.run('write operations of transactions')
    expect(await operations(place)).toHaveLength(1)
  })

  test('is noted at once when a note is full', async () => {
    await using place = await openBrokerOnDisk({ config: { transactionOpMsgMaxSize: '5' } })
    for (const body of ['a', 'b', 'c', 'd']) endTransaction(place, 'commit', sendHalf(place, body))
    expect(await operations(place)).toEqual(['0,1,2,'])
  })

  test('of a message with a delay level begins its wait', async () => {
    await using place = await openBrokerOnDisk()
    const half = sendHalf(place, 'later', { DELAY: '3' })
    expect(await place.bodies('SCHEDULE_TOPIC_XXXX', 2)).toEqual([])
    endTransaction(place, 'commit', half)
    const [waiting] = await place.messages('SCHEDULE_TOPIC_XXXX', 2)
    expect(waiting).toMatchObject({
      sysFlag: SYS_FLAG.TRANSACTION_COMMIT,
      preparedTransactionOffset: half.physicalOffset
    })
    expect(waiting?.properties).toMatchObject({
      REAL_TOPIC: TOPIC,
      REAL_QID: '0',
      CLUSTER: 'C',
      UNIQ_KEY: 'key_of_later'
    })
    expect(await place.bodies(TOPIC)).toEqual([])
    await endTransaction(place, 'commit', half)
    expect(await place.messages('SCHEDULE_TOPIC_XXXX', 2)).toHaveLength(1)
  })

  test.each([
    ['another group', { producerGroup: 'others' }, {}],
    ['another place in the log', {}, { physicalOffset: 1 }],
    ['another place in the queue', {}, { halfOffset: 1 }],
    ['a place that is not there yet', {}, { halfOffset: 99 }],
    ['a place in the middle of a record', {}, { physicalOffset: 9 }],
    ['a place beyond the log', {}, { physicalOffset: 2 ** 40 }]
  ])('of %s is refused, and nothing is stored', async (_, request, other) => {
    await using place = await openBrokerOnDisk()
    const half = sendHalf(place, 'a')
    sendHalf(place, 'b')
    const refused = await refusalOf(() => endTransaction(place, 'commit', { ...half, ...other }, request))
    expect(refused).toBe('TRANSACTION_UNKNOWN')
    expect(await place.bodies(TOPIC)).toEqual([])
    endTransaction(place, 'commit', half)
    expect(await place.bodies(TOPIC)).toEqual(['a'])
  })
})

describe('a commit that names the place of a message that only looks like the half message', () => {
  test('is refused: that one is of another topic', async () => {
    await using place = await openBrokerOnDisk()
    const half = sendHalf(place, 'a')
    const properties = { REAL_TOPIC: TOPIC, REAL_QID: '0', PGROUP: PRODUCERS, UNIQ_KEY: 'U' }
    const other = place.store.append({ topic: 'others', queueId: 0, body: 'x', properties })
    expect(other.queueOffset).toBe(half.halfOffset)
    const named = { ...half, physicalOffset: other.physicalOffset }
    expect(await refusalOf(() => endTransaction(place, 'commit', named))).toBe('TRANSACTION_UNKNOWN')
    expect(await place.bodies(TOPIC)).toEqual([])
  })
})

describe('a decision', () => {
  test.each([
    ['commit', 'commit', undefined, ['a']],
    ['rollback', 'rollback', undefined, []],
    ['commit', 'rollback', 'TRANSACTION_DECIDED', ['a']],
    ['rollback', 'commit', 'TRANSACTION_DECIDED', []]
  ] as const)('%s, then %s: the first holds', async (first, second, refused, bodies) => {
    await using place = await openBrokerOnDisk()
    const half = sendHalf(place, 'a')
    sendHalf(place, 'undecided') // Else the first would be forgotten as soon as it is decided.
    await endTransaction(place, first, half)
    expect(await refusalOf(() => endTransaction(place, second, half))).toBe(refused)
    place.run('write operations of transactions')
    expect(await refusalOf(() => endTransaction(place, second, half))).toBe(refused)
    expect(await place.bodies(TOPIC)).toEqual(bodies)
  })

  test.each([
    ['commit', 'commit', undefined, ['a']],
    ['rollback', 'rollback', undefined, []],
    ['commit', 'rollback', 'TRANSACTION_DECIDED', ['a']],
    ['rollback', 'commit', 'TRANSACTION_DECIDED', []]
  ] as const)('%s, then %s: the first holds when it is long passed', async (first, second, refused, bodies) => {
    await using place = await openBrokerOnDisk()
    const half = sendHalf(place, 'a')
    await endTransaction(place, first, half)
    place.run('write operations of transactions')
    expect(place.broker.transactions.windowLength).toBe(0)
    expect(await refusalOf(() => endTransaction(place, second, half))).toBe(refused)
    expect(await place.bodies(TOPIC)).toEqual(bodies)
  })

  test('to roll back is noted at once, together with what was gathered', async () => {
    await using place = await openBrokerOnDisk()
    endTransaction(place, 'commit', sendHalf(place, 'a'))
    endTransaction(place, 'rollback', sendHalf(place, 'b'))
    expect(await operations(place)).toEqual(['0,1,'])
    expect(await place.bodies(TOPIC)).toEqual(['a'])
  })
})

describe('a producer', () => {
  test('is asked about what is open for longer than transactionTimeOut, and again at each pass', async () => {
    await using place = await openBrokerOnDisk()
    const producer = joinProducers(place, PRODUCERS)
    const half = sendHalf(place, 'open', { KEYS: 'k' }, { flag: 9, queueId: 2 })
    await checkAfter(place, TIMEOUT_MS - 1)
    expect(producer.questions).toEqual([])
    await checkAfter(place, 1)
    expect(producer.questions).toHaveLength(1)
    const [question] = producer.questions
    expect(question).toMatchObject({ brokerName: 'broker-a', halfOffset: 1, uniqueKey: 'key_of_open' })
    const asked = messageOf(question!)
    expect(asked).toMatchObject({ topic: TOPIC, queueId: 2, flag: 9, queueOffset: 1, keys: ['k'] })
    expect(Buffer.from(asked.body).toString()).toBe('open')
    expect(asked.properties).toMatchObject({
      PGROUP: PRODUCERS,
      TRANSACTION_CHECK_TIMES: '1',
      TRAN_PREPARED_QUEUE_OFFSET: '0'
    })
    expect(asked.physicalOffset).toBe(question?.physicalOffset)
    expect(half.halfOffset).toBe(0)

    await checkAfter(place, INTERVAL_MS)
    expect(producer.questions.map(({ halfOffset }) => halfOffset)).toEqual([1, 2])
    expect((await place.messages(HALF_QUEUE.topic)).map(({ flag }) => flag)).toEqual([9, 9, 9])
  })

  test.each(['the question that it was asked', 'the message as it was sent', 'an earlier question'])(
    'answers by the place of %s, once',
    async which => {
      await using place = await openBrokerOnDisk()
      const producer = joinProducers(place, PRODUCERS)
      const half = sendHalf(place, 'open')
      await checkAfter(place, TIMEOUT_MS)
      await checkAfter(place, INTERVAL_MS)
      const [earlier, last] = producer.questions
      const named = which.startsWith('the question') ? last! : which.startsWith('an') ? earlier! : half
      endTransaction(place, 'commit', named, { isFromCheck: true })
      expect(await place.bodies(TOPIC)).toEqual(['open'])
      for (const again of [half, earlier!, last!]) await endTransaction(place, 'commit', again)
      expect(await place.bodies(TOPIC)).toEqual(['open'])
      await checkAfter(place, INTERVAL_MS)
      expect(producer.questions).toHaveLength(2)
      expect(place.broker.transactions.windowLength).toBe(0)
    }
  )

  test('is asked transactionCheckMax times at most; then the message is given up, and a log line and a count say so', async () => {
    await using place = await openBrokerOnDisk({ config: { transactionCheckMax: '3' } })
    const producer = joinProducers(place, PRODUCERS)
    const half = sendHalf(place, 'open', { TAGS: 't' }, { flag: 9 })
    for (let pass = 0; pass < 5; pass++) await checkAfter(place, INTERVAL_MS)
    expect(producer.questions).toHaveLength(3)
    const discarded = await place.messages(DISCARDED)
    expect(discarded).toMatchObject([{ queueId: 0, tag: 't', flag: 9 }])
    expect(discarded[0]?.properties).toMatchObject({ REAL_TOPIC: TOPIC, TRANSACTION_CHECK_TIMES: '3' })
    expect(place.logged.join('\n')).toContain('transaction given up')
    expect(place.broker.transactions.counts.of(TOPIC)).toMatchObject({ open: 0, discarded: 1, checked: 3 })
    expect(await refusalOf(() => endTransaction(place, 'commit', half))).toBe('TRANSACTION_DECIDED')
    expect(await place.bodies(TOPIC)).toEqual([])
  })

  test('is asked through any live connection of its group, in turns', async () => {
    await using place = await openBrokerOnDisk()
    const [a, b, dead] = ['a', 'b', 'dead'].map(clientId => joinProducers(place, PRODUCERS, clientId))
    dead?.close()
    const stranger = joinProducers(place, 'others', 'stranger')
    for (const body of ['1', '2', '3', '4']) sendHalf(place, body)
    await checkAfter(place, TIMEOUT_MS)
    expect([a, b, dead, stranger].map(link => link?.questions.length)).toEqual([2, 2, 0, 0])
  })

  test('that is not there cannot be asked: a log line and a count say so', async () => {
    await using place = await openBrokerOnDisk()
    sendHalf(place, 'open')
    await checkAfter(place, TIMEOUT_MS)
    expect(place.logged.join('\n')).toContain('nobody to ask about a transaction')
    expect(place.broker.transactions.counts.of(TOPIC)).toMatchObject({ open: 1, unasked: 1, checked: 0 })
  })

  test('is not asked before its time of immunity is over, and not believed unasked after it', async () => {
    await using place = await openBrokerOnDisk()
    const producer = joinProducers(place, PRODUCERS)
    const born = { bornAtMs: place.clock.nowMs() }
    const half = sendHalf(place, 'immune', { CHECK_IMMUNITY_TIME_IN_SECONDS: '60' }, born)
    await checkAfter(place, INTERVAL_MS)
    await checkAfter(place, INTERVAL_MS - 1)
    expect(producer.questions).toEqual([])
    await checkAfter(place, 2)
    expect(producer.questions).toHaveLength(1)
    expect(await refusalOf(() => endTransaction(place, 'commit', half))).toBe('TRANSACTION_TOO_LATE')
    endTransaction(place, 'commit', producer.questions[0]!, { isFromCheck: true })
    expect(await place.bodies(TOPIC)).toEqual(['immune'])
  })

  test('with a time of immunity may decide within it, whatever copies have been made', async () => {
    await using place = await openBrokerOnDisk()
    const born = { bornAtMs: place.clock.nowMs() }
    const half = sendHalf(place, 'immune', { CHECK_IMMUNITY_TIME_IN_SECONDS: '60' }, born)
    await checkAfter(place, INTERVAL_MS)
    endTransaction(place, 'commit', half)
    expect(await place.bodies(TOPIC)).toEqual(['immune'])
  })

  test('whose clock is wrong is asked by the clock of the broker', async () => {
    await using place = await openBrokerOnDisk()
    const producer = joinProducers(place, PRODUCERS)
    sendHalf(place, 'past', {}, { bornAtMs: 1 })
    sendHalf(place, 'future', {}, { bornAtMs: place.clock.nowMs() + 1e9 })
    await checkAfter(place, TIMEOUT_MS - 1)
    expect(producer.questions).toEqual([])
    await checkAfter(place, 1)
    expect(producer.questions).toHaveLength(2)
  })

  test('is never asked about what it has decided, however late that is noted', async () => {
    await using place = await openBrokerOnDisk({
      config: { transactionTimeOut: '1', transactionOpBatchInterval: '60000' }
    })
    const producer = joinProducers(place, PRODUCERS)
    const first = sendHalf(place, 'open') // Keeps what follows from being passed.
    endTransaction(place, 'commit', sendHalf(place, 'a'))
    endTransaction(place, 'rollback', sendHalf(place, 'b'))
    for (let pass = 0; pass < 3; pass++) await checkAfter(place, 100)
    expect(producer.questions.map(({ uniqueKey }) => uniqueKey)).toEqual(Array(3).fill('key_of_open'))
    endTransaction(place, 'rollback', first)
    expect(await place.bodies(TOPIC)).toEqual(['a'])
  })
})

describe('a broker that is killed', () => {
  /** Another broker on what this one has left. */
  const reopened = ({ disk, clock }: BrokerOnDisk) => openBrokerOnDisk({ disk: disk.kill(), clock })

  test('right after a commit neither asks about it nor stores it twice', async () => {
    const before = await openBrokerOnDisk()
    const asked = sendHalf(before, 'asked')
    endTransaction(before, 'commit', asked)
    const repeated = sendHalf(before, 'repeated')
    endTransaction(before, 'commit', repeated)
    expect(await operations(before)).toEqual([])

    await using place = await reopened(before)
    const producer = joinProducers(place, PRODUCERS)
    await endTransaction(place, 'commit', repeated)
    expect(await refusalOf(() => endTransaction(place, 'rollback', repeated))).toBe('TRANSACTION_DECIDED')
    await checkAfter(place, TIMEOUT_MS)
    expect(producer.questions).toEqual([])
    expect(await place.bodies(TOPIC)).toEqual(['asked', 'repeated'])
    expect(place.broker.transactions.windowLength).toBe(0)
  })

  test('right after a rollback never delivers it, whatever its producer says then', async () => {
    const before = await openBrokerOnDisk()
    const half = sendHalf(before, 'no')
    endTransaction(before, 'rollback', half)
    await using place = await reopened(before)
    const producer = joinProducers(place, PRODUCERS)
    await checkAfter(place, TIMEOUT_MS)
    expect(producer.questions).toEqual([])
    expect(await refusalOf(() => endTransaction(place, 'commit', half))).toBe('TRANSACTION_DECIDED')
    expect(await place.bodies(TOPIC)).toEqual([])
  })

  test('without the index notes each commit at once, for it could not be found out', async () => {
    const config = { messageIndexEnable: 'false' }
    const before = await openBrokerOnDisk({ config })
    const half = sendHalf(before, 'a')
    endTransaction(before, 'commit', half)
    expect(await operations(before)).toEqual(['0,'])
  })

  test('asks again about what is open, goes on counting, and takes answers by every place', async () => {
    const before = await openBrokerOnDisk()
    const open = sendHalf(before, 'open')
    const other = sendHalf(before, 'other')
    await checkAfter(before, TIMEOUT_MS)
    await using place = await reopened(before)
    const producer = joinProducers(place, PRODUCERS)
    expect(place.broker.transactions.counts.of(TOPIC).open).toBe(2)
    await checkAfter(place, INTERVAL_MS)
    expect(producer.questions.map(question => messageOf(question).properties.TRANSACTION_CHECK_TIMES)).toEqual([
      '2',
      '2'
    ])
    endTransaction(place, 'commit', open)
    endTransaction(place, 'rollback', other)
    await checkAfter(place, INTERVAL_MS)
    expect(producer.questions).toHaveLength(2)
    expect(await place.bodies(TOPIC)).toEqual(['open'])
  })

  test('and comes back to copies as Apache RocketMQ makes them takes them for the messages with their keys', async () => {
    const before = await openBrokerOnDisk()
    const open = sendHalf(before, 'open')
    endTransaction(before, 'commit', sendHalf(before, 'paid'))
    for (const { body, bornAtMs, properties } of await before.messages(HALF_QUEUE.topic))
      before.store.append({
        ...HALF_QUEUE,
        body,
        bornAtMs,
        properties: { ...properties, TRANSACTION_CHECK_TIMES: '1' }
      })
    await using place = await reopened(before)
    const producer = joinProducers(place, PRODUCERS)
    expect(place.broker.transactions.counts.of(TOPIC).open).toBe(2) // Until the commit has been searched for.
    await checkAfter(place, TIMEOUT_MS)
    expect(producer.questions.map(question => messageOf(question).properties.UNIQ_KEY)).toEqual(['key_of_open'])
    endTransaction(place, 'commit', open)
    await checkAfter(place, INTERVAL_MS)
    expect(producer.questions).toHaveLength(1)
    expect(await place.bodies(TOPIC)).toEqual(['paid', 'open'])
  })

  test('starts without looking at what is done', async () => {
    const before = await openBrokerOnDisk()
    for (let i = 0; i < 500; i++) endTransaction(before, i % 2 === 0 ? 'commit' : 'rollback', sendHalf(before, `m${i}`))
    before.run('write operations of transactions')
    await before.broker.offsets.saved()
    await using place = await reopened(before)
    expect(place.broker.transactions.windowLength).toBe(0)
    const progress = (queue: typeof HALF_QUEUE) => place.broker.offsets.find({ ...queue, group: 'CID_RMQ_SYS_TRANS' })
    expect(progress(HALF_QUEUE)).toBe(place.store.maxOffset(HALF_QUEUE))
    expect(progress(OPERATION_QUEUE)).toBe(place.store.maxOffset(OPERATION_QUEUE))
  })

  test.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'again and again, at any point, keeps each decision and asks about the rest (seed %i)',
    async seed => {
      const random = seededRandom(seed)
      const halves: { body: string; half: ReturnType<typeof sendHalf>; decision: 'commit' | 'rollback' | undefined }[] =
        []
      const config = { transactionCheckMax: '1000' }
      let place = await openBrokerOnDisk({ config })
      for (let life = 0; life < 5; life++) {
        const steps = random.below(60)
        for (let step = 0; step < steps; step++) {
          const body = `m${halves.length}`
          halves.push({ body, half: sendHalf(place, body), decision: undefined })
          // One of those that are open, however old: in an earlier life, asked about, with copies.
          const open = halves.filter(({ decision }) => decision === undefined)
          const one = open[random.below(2 * open.length)]
          if (one !== undefined) {
            const decision = random.below(2) === 0 ? 'commit' : 'rollback'
            await endTransaction(place, decision, one.half)
            one.decision = decision
          }
          if (random.below(15) === 0) place.run('write operations of transactions')
          if (random.below(15) === 0) await place.broker.offsets.saved()
          if (random.below(15) === 0) await checkAfter(place, INTERVAL_MS)
        }
        place = await openBrokerOnDisk({ disk: place.disk.kill(), clock: place.clock, config })
      }
      await using last = place
      const producer = joinProducers(last, PRODUCERS)
      await checkAfter(last, INTERVAL_MS)
      const of = (wanted: string | undefined) =>
        halves.filter(({ decision }) => decision === wanted).map(({ body }) => body)
      expect((await last.bodies(TOPIC)).toSorted()).toEqual(of('commit').toSorted())
      const asked = producer.questions.map(question => Buffer.from(messageOf(question).body).toString())
      expect(asked.toSorted()).toEqual(of(undefined).toSorted())
      for (const { half, decision } of halves.filter(({ decision }) => decision !== undefined)) {
        const other = decision === 'commit' ? 'rollback' : 'commit'
        expect(await refusalOf(() => endTransaction(last, other, half))).toBe('TRANSACTION_DECIDED')
      }
      for (const { half } of halves.filter(({ decision }) => decision === undefined))
        await endTransaction(last, 'commit', half)
      expect(await last.bodies(TOPIC)).toHaveLength(halves.length - of('rollback').length)
      last.run('write operations of transactions')
      expect(last.broker.transactions.windowLength).toBe(0)
    }
  )

  test('leaves operations unpassed as long as a half message that they name is not', async () => {
    const before = await openBrokerOnDisk()
    const open = sendHalf(before, 'open')
    endTransaction(before, 'rollback', sendHalf(before, 'no'))
    before.run('write operations of transactions')
    await before.broker.offsets.saved()
    await using place = await reopened(before)
    expect(place.broker.offsets.find({ ...OPERATION_QUEUE, group: 'CID_RMQ_SYS_TRANS' })).toBe(0)
    expect(place.broker.transactions.windowLength).toBe(2)
    await endTransaction(place, 'commit', open)
    place.run('write operations of transactions')
    expect(place.broker.transactions.windowLength).toBe(0)
  })
})

describe('a broker whose power goes', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])('keeps every decision that it kept the message of (seed %i)', async seed => {
    const random = seededRandom(seed)
    const before = await openBrokerOnDisk()
    const halves: { body: string; half: ReturnType<typeof sendHalf>; decision: 'commit' | 'rollback' | undefined }[] =
      []
    for (let i = 0; i < 120; i++) {
      const half = sendHalf(before, `m${i}`)
      const decision = (['commit', 'rollback', undefined] as const)[random.below(3)]
      if (decision !== undefined) endTransaction(before, decision, half)
      halves.push({ body: `m${i}`, half, decision })
      if (random.below(20) === 0) before.run('write operations of transactions')
      if (random.below(20) === 0) await before.broker.offsets.saved()
      if (random.below(30) === 0) await before.store.flushed()
      if (random.below(30) === 0) await checkAfter(before, INTERVAL_MS)
    }
    await using place = await openBrokerOnDisk({ disk: before.disk.crash(random), clock: before.clock })
    const producer = joinProducers(place, PRODUCERS)
    await checkAfter(place, INTERVAL_MS)
    for (const question of producer.questions) {
      await endTransaction(place, 'commit', question, { isFromCheck: true })
    }
    const bodies = await place.bodies(TOPIC)
    expect(new Set(bodies).size).toBe(bodies.length)
    const asked = new Set(producer.questions.map(question => Buffer.from(messageOf(question).body).toString()))
    for (const { body, half, decision } of halves) {
      const wasLost = half.halfOffset >= place.store.maxOffset(HALF_QUEUE)
      if (decision === undefined && !wasLost) expect(bodies.includes(body) || !asked.has(body)).toBe(true)
      if (asked.has(body)) expect(bodies).toContain(body)
    }
    await checkAfter(place, INTERVAL_MS)
    place.run('write operations of transactions')
    expect(place.broker.transactions.windowLength).toBe(0)
  })
})
