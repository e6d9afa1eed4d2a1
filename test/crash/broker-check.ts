/**
 * What a broker owes its clients after whatever has happened to it, asked over TCP:
 * - every message that was acknowledged comes, once, in its place, with the same bytes
 * - committed offsets are never ahead of what was committed, nor behind what a clean stop has saved
 * - a delayed message comes, and not before it is due
 * - a committed transaction shows once, one that was rolled back or is undecided never; whoever has not decided is asked
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { StoredMessage } from '../../src/index.ts'
import type { BrokerLedger, Deal } from './broker-ledger.ts'
import { DEALS, dealOf, decide, GROUP, LATER, PRODUCERS, SIDE_QUEUES } from './broker-load.ts'
import type { Entry, Ledger } from './ledger.ts'
import { QUEUES } from './messages.ts'
import { compare, describe } from './oracle.ts'
import { Violation } from './violation.ts'
import { ANSWER, CODE, Wire, type WireRequest } from './wire.ts'
import { drain } from './wire-messages.ts'

/** How late a message may be on a machine that is busy with the suite. */
const LATE_MS_MAX = 15_000
const LOOK_MS = 100

export interface BrokerChecked {
  readonly drained: number
  readonly delivered: number
  readonly twice: number
  readonly asked: number
}

export async function checkBroker(port: number, ledger: Ledger, more: BrokerLedger): Promise<BrokerChecked> {
  const questions: WireRequest[] = []
  const wire = await Wire.open(port, request => questions.push(request))
  try {
    const drained = await checkMessages(wire, ledger)
    await checkOffsets(wire, more)
    const asked = await checkDeals(wire, more, questions)
    const { delivered, twice } = await checkDelayed(wire, more)
    return { drained, delivered, twice, asked }
  } finally {
    wire.close()
  }
}

async function checkMessages(wire: Wire, ledger: Ledger): Promise<number> {
  const found = new Set<number>()
  for (const [index, queue] of QUEUES.entries()) {
    let expected = 0
    for (const message of await drain(wire, queue, GROUP)) {
      const where = `${queue.topic}/${queue.queueId}`
      if (message.queueOffset !== expected) throw new Violation(`${where}: ${message.queueOffset}, not ${expected}`)
      expected++
      const id = compare(message, ledger, index)
      if (found.has(id)) throw new Violation(`twice over TCP: message ${id}`)
      found.add(id)
    }
  }
  const lost = ledger.entries.find(entry => isAcknowledged(entry) && !found.has(entry.id))
  if (lost !== undefined) throw new Violation(`lost over TCP: ${describe(lost)}`)
  return found.size
}

const isAcknowledged = ({ state }: Entry): boolean => state === 'appended' || state === 'flushed'

export async function checkOffsets(wire: Wire, more: BrokerLedger): Promise<void> {
  for (const [index, committed] of more.committed) {
    const queue = QUEUES[index] as (typeof QUEUES)[number] // Only these are committed.
    const where = `the offset of ${GROUP} in ${queue.topic}/${queue.queueId}`
    const { code, fields } = await wire.call(CODE.queryOffset, { consumerGroup: GROUP, ...queue })
    const offset = code === ANSWER.success ? Number(fields.offset) : 0
    const max = Number((await wire.call(CODE.maxOffset, { ...queue })).fields.offset)
    if (offset > committed.sent) throw new Violation(`${where} is ${offset}, committed was ${committed.sent} at most`)
    if (offset > max) throw new Violation(`${where} is ${offset}, behind the end at ${max}`)
    if (offset < committed.kept) throw new Violation(`${where} is ${offset}, saved was ${committed.kept}`)
    committed.confirmed = offset
  }
}

async function checkDeals(wire: Wire, { deals }: BrokerLedger, questions: readonly WireRequest[]): Promise<number> {
  checkShown(deals, await drainSide(wire, DEALS))
  const undecided = new Set([...deals.keys()].filter(id => deals[id]?.isTaken && deals[id]?.decision === undefined))
  const asked = undecided.size
  const heartbeat = { clientID: 'checker', producerDataSet: [{ groupName: PRODUCERS }], consumerDataSet: [] }
  await wire.call(CODE.heartbeat, {}, Buffer.from(JSON.stringify(heartbeat)))
  const untilMs = performance.now() + LATE_MS_MAX
  for (let next = 0; undecided.size > 0; ) {
    if (performance.now() > untilMs) throw new Violation(`nobody was asked about transaction ${[...undecided][0]}`)
    const question = questions[next]
    if (question === undefined) {
      await pause(LOOK_MS)
      continue
    }
    next++
    await answer(wire, deals, undecided, question)
  }
  checkShown(deals, await drainSide(wire, DEALS))
  return asked
}

async function answer(wire: Wire, deals: readonly Deal[], undecided: Set<number>, { code, fields }: WireRequest) {
  if (code !== CODE.askTransaction) return
  const id = dealOf(fields.transactionId)
  const deal = deals[id]
  if (deal === undefined) throw new Violation(`asked about a transaction that nobody began: ${fields.transactionId}`)
  if (deal.isDecided && !undecided.has(id)) {
    // A question that had left before the answer to an earlier one came.
    if (deal.decision !== undefined) return
    throw new Violation(`asked about transaction ${id}, which is decided`)
  }
  const { tranStateTableOffset = '', commitLogOffset = '', transactionId = '', msgId = '' } = fields
  const which = { tranStateTableOffset, commitLogOffset, transactionId, msgId, fromTransactionCheck: true }
  await decide(wire, deal, deal.decision ?? (id % 2 === 0 ? 'commit' : 'rollback'), which)
  if (deal.isDecided) undecided.delete(id)
}

function checkShown(deals: readonly Deal[], messages: readonly StoredMessage[]): void {
  const shown = new Map<number, number>()
  for (const { body } of messages) {
    const id = Number(Buffer.from(body).toString())
    shown.set(id, (shown.get(id) ?? 0) + 1)
    if (deals[id] === undefined) throw new Violation(`a transaction that nobody began: ${id}`)
  }
  for (const [id, deal] of deals.entries()) {
    const count = shown.get(id) ?? 0
    const least = deal.isDecided && deal.decision === 'commit' ? 1 : 0
    const most = deal.decision === 'commit' ? 1 : 0
    if (count < least || count > most) {
      throw new Violation(`transaction ${id} shows ${count} times: ${JSON.stringify(deal)}`)
    }
  }
}

async function checkDelayed(wire: Wire, { delayed }: BrokerLedger): Promise<{ delivered: number; twice: number }> {
  const untilMs = Date.now() + Math.max(0, ...delayed.map(({ dueMs }) => dueMs - Date.now())) + LATE_MS_MAX
  for (;;) {
    const messages = await drainSide(wire, LATER)
    const found = new Set<number>()
    for (const { body, storedAtMs } of messages) {
      const id = Number(Buffer.from(body).toString())
      const entry = delayed[id]
      if (entry === undefined) throw new Violation(`a delayed message that nobody sent: ${id}`)
      if (storedAtMs < entry.dueMs)
        throw new Violation(`delayed message ${id} came ${entry.dueMs - storedAtMs} ms early`)
      found.add(id)
    }
    const missing = delayed.findIndex(({ isTaken }, id) => isTaken && !found.has(id))
    // After a crash what was delivered last may be delivered again: docs/operations.md.
    if (missing === -1) return { delivered: found.size, twice: messages.length - found.size }
    if (Date.now() > untilMs)
      throw new Violation(`delayed message ${missing} never came: ${JSON.stringify(delayed[missing])}`)
    await pause(LOOK_MS)
  }
}

async function drainSide(wire: Wire, topic: string): Promise<StoredMessage[]> {
  const queues = Array.from({ length: SIDE_QUEUES }, (_, queueId) => drain(wire, { topic, queueId }, GROUP))
  return (await Promise.all(queues)).flat()
}
