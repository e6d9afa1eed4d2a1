/**
 * Clients of a broker, over TCP, until it is gone: senders with several requests in flight, single and in batches; a
 * consumer that commits what it has read; senders of delayed messages and of transactions.
 *
 * Each queue belongs to one connection, so its messages are in the order of their numbers.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Random } from '../../src/base/index.ts'
import type { BrokerLedger, Deal, Decision } from './broker-ledger.ts'
import type { Ledger } from './ledger.ts'
import { messageOf, QUEUES } from './messages.ts'
import { nextCount } from './producer.ts'
import { Violation } from './violation.ts'
import { ANSWER, CODE, Wire, WireClosed, type WireFields } from './wire.ts'
import { placeOf, pullFields, send, sendBatch, sendFields } from './wire-messages.ts'

export const GROUP = 'readers'
export const PRODUCERS = 'dealers'
export const LATER = 'later'
export const DEALS = 'deals'
export const SIDE_QUEUES = 4
const TOPIC_QUEUES = 8
const TOPICS = [...new Set(QUEUES.map(({ topic }) => topic)), LATER, DEALS]

const SENDERS = 3
const WINDOW = 8
/** Of all senders in one life; after that they only wait. */
const MESSAGES_MAX = 4_000
const SIDE_PAUSE_MS = 15
const LEVEL_1_MS = 1_000
const COMMIT = 8
const ROLLBACK = 12

export interface Load {
  readonly port: number
  readonly ledger: Ledger
  readonly more: BrokerLedger
  readonly random: Random
}

export async function createTopics(wire: Wire): Promise<void> {
  for (const topic of TOPICS) {
    const fields = {
      topic,
      defaultTopic: 'TBW102',
      readQueueNums: TOPIC_QUEUES,
      writeQueueNums: TOPIC_QUEUES,
      perm: 6,
      topicFilterType: 'SINGLE_TAG',
      topicSysFlag: 0,
      order: false
    }
    const { code, remark } = await wire.call(CODE.createTopic, fields)
    if (code !== ANSWER.success) throw new Violation(`topic ${topic} is refused: ${code}, ${remark}`)
  }
}

/** Ends when the broker is gone. @throws Violation for an answer that must not come */
export async function loadBroker(load: Load): Promise<void> {
  const clients: ((wire: Wire) => Promise<void>)[] = [
    ...Array.from({ length: SENDERS }, (_, sender) => (wire: Wire) => sendOn(wire, load, sender)),
    wire => readOn(wire, load),
    wire => delayOn(wire, load),
    wire => dealOn(wire, load)
  ]
  await Promise.all(
    clients.map(async client => {
      try {
        await client(await Wire.open(load.port))
      } catch (error) {
        if (!(error instanceof WireClosed)) throw error
      }
    })
  )
}

async function sendOn(wire: Wire, load: Load, sender: number): Promise<void> {
  const queues = [...QUEUES.keys()].filter(queue => queue % SENDERS === sender)
  const inFlight = new Set<Promise<void>>()
  for (let sent = 0; !wire.isClosed; sent++) {
    if (sent > MESSAGES_MAX / SENDERS) return wire.closed
    const sending: Promise<void> = sendOnce(wire, load, load.random.pick(queues)).finally(() =>
      inFlight.delete(sending)
    )
    inFlight.add(sending)
    if (inFlight.size >= WINDOW) await Promise.race(inFlight)
  }
  await Promise.all(inFlight)
}

async function sendOnce(wire: Wire, { ledger, random }: Load, queue: number): Promise<void> {
  const firstId = ledger.nextId
  const count = nextCount(random)
  const messages = Array.from({ length: count }, (_, i) => messageOf(ledger.seed, firstId + i, queue, ledger.body))
  ledger.intend(firstId, count, queue, count > 1)
  try {
    const answer = await (count === 1 ? send(wire, messages[0] as (typeof messages)[0]) : sendBatch(wire, messages))
    if (answer.code === ANSWER.success) ledger.appended(firstId, count, placeOf(answer))
    else if (answer.code !== ANSWER.flushTimeout)
      refused(answer.code, answer.remark, () => ledger.refused(firstId, count))
  } catch (error) {
    if (!(error instanceof WireClosed)) throw error
  }
}

/** Busy is an answer; that a topic is gone, or a message wrong, is none. */
function refused(code: number, remark: string | undefined, note: () => void): void {
  if (code !== 2 && code !== 14 && code !== 1) throw new Violation(`a message is refused with ${code}: ${remark}`)
  note()
}

async function readOn(wire: Wire, { more, random }: Load): Promise<void> {
  const offsets = new Map<number, number>()
  while (!wire.isClosed) {
    const index = random.below(QUEUES.length)
    const queue = QUEUES[index] as (typeof QUEUES)[number] // Below its length.
    const committed = more.committedOf(index)
    const from = offsets.get(index) ?? committed.confirmed
    const answer = await wire.call(CODE.pull, pullFields(queue, from, GROUP))
    const next = Number(answer.fields.nextBeginOffset)
    offsets.set(index, next)
    committed.sent = Math.max(committed.sent, next)
    const { code } = await wire.call(CODE.updateOffset, { consumerGroup: GROUP, ...queue, commitOffset: next })
    if (code === ANSWER.success) committed.confirmed = next
  }
}

async function delayOn(wire: Wire, { more, random }: Load): Promise<void> {
  while (!wire.isClosed) {
    const id = more.delayed.length
    const nowMs = Date.now()
    const waitMs = random.between(50, 2_500)
    const isLevel = random.chance(0.5)
    const delay = isLevel ? { DELAY: '1' } : { TIMER_DELIVER_MS: String(nowMs + waitMs) }
    const delayed = { dueMs: nowMs + (isLevel ? LEVEL_1_MS : waitMs), isTaken: false }
    more.delayed.push(delayed)
    const queueId = id % SIDE_QUEUES
    const properties = { ...delay, UNIQ_KEY: `later-${id}`, WAIT: 'true' }
    const { code } = await wire.call(
      CODE.send,
      sendFields({ topic: LATER, queueId, properties }),
      Buffer.from(String(id))
    )
    if (code === ANSWER.success) delayed.isTaken = true
    await pause(SIDE_PAUSE_MS)
  }
}

async function dealOn(wire: Wire, { more, random }: Load): Promise<void> {
  while (!wire.isClosed) {
    const id = more.deals.length
    const deal: Deal = { isTaken: false, decision: undefined, isDecided: false }
    more.deals.push(deal)
    const properties = { TRAN_MSG: 'true', PGROUP: PRODUCERS, UNIQ_KEY: dealKey(id), WAIT: 'true' }
    const fields = sendFields({ topic: DEALS, queueId: id % SIDE_QUEUES, properties, sysFlag: 4 })
    const answer = await wire.call(CODE.send, fields, Buffer.from(String(id)))
    if (answer.code !== ANSWER.success) continue
    deal.isTaken = true
    if (random.chance(0.3)) continue
    const { queueOffset, physicalOffset } = placeOf(answer)
    await decide(wire, deal, random.chance(0.7) ? 'commit' : 'rollback', {
      tranStateTableOffset: queueOffset,
      commitLogOffset: physicalOffset,
      transactionId: dealKey(id),
      msgId: dealKey(id),
      fromTransactionCheck: false
    })
    await pause(SIDE_PAUSE_MS)
  }
}

export const dealKey = (id: number): string => `deal-${id}`

/** Which deal has this key, if one has. */
export const dealOf = (key: string | undefined): number => Number(key?.match(/^deal-(\d+)$/)?.[1] ?? Number.NaN)

export async function decide(wire: Wire, deal: Deal, decision: Decision, which: WireFields): Promise<void> {
  deal.decision = decision
  const commitOrRollback = decision === 'commit' ? COMMIT : ROLLBACK
  const { code } = await wire.call(CODE.endTransaction, { producerGroup: PRODUCERS, commitOrRollback, ...which })
  if (code === ANSWER.success) deal.isDecided = true
}
