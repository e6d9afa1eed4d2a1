/**
 * Requests that store messages: one, or a batch, under either set of header names.
 *
 * A message that the store takes at once is answered at once, straight from the reused outcome. Only what has to wait, for
 * room, for the disk, or until the topic that was made for it is on disk, is remembered in an object of its own.
 *
 * Not here: what may be stored and what becomes of it (broker), replies (reply-requests.ts).
 */
import type { VarveError } from '../../base/index.ts'
import { type DurableAnswer, isRetryTopic, recallHandleOf, type SendDraft, type Sent } from '../../broker/index.ts'
import { field, REQUEST, RESPONSE, type RemotingRequest, readSend } from '../../protocol/index.ts'
import type { BrokerWorld } from './broker-world.ts'
import type { Handler, Handlers } from './dispatch.ts'
import { refusalOf } from './refusal.ts'
import type { Session } from './session.ts'

const F = {
  msgId: field('msgId'),
  queueId: field('queueId'),
  queueOffset: field('queueOffset'),
  transactionId: field('transactionId'),
  region: field('MSG_REGION'),
  isTraced: field('TRACE_ON'),
  recallHandle: field('recallHandle')
}

export function sendRequests(world: BrokerWorld): Handlers {
  const send = new SendRequests(world).handle
  return [
    [REQUEST.SEND_MESSAGE, send],
    [REQUEST.SEND_MESSAGE_V2, send],
    [REQUEST.SEND_BATCH_MESSAGE, send]
  ]
}

/** Where an answer goes that cannot be given at once. */
interface Waiting {
  readonly session: Session
  readonly opaque: number
  readonly isOneway: boolean
}

class SendRequests {
  readonly #world: BrokerWorld
  #ids = new Uint8Array(64)

  constructor(world: BrokerWorld) {
    this.#world = world
  }

  readonly handle: Handler = (request, session) => {
    const { sending } = this.#world.broker
    const { draft } = session
    readSend(request, draft)
    const sent = sending.send(draft)
    if (sent === undefined) return this.#waitForRoom(draft, request, session)
    if (request.isOneway) return
    if (this.#isSafe(sent)) this.#answer(sent, request.opaque, session)
    else this.#answerOnceSafe(sent, session, request.opaque)
  }

  #waitForRoom(draft: SendDraft, { opaque, isOneway }: RemotingRequest, session: Session): void {
    const waiting = { session, opaque, isOneway }
    this.#world.broker.sending.sendLater(draft, outcome => this.#answerWaiting(outcome, waiting))
  }

  #answerWaiting(outcome: Sent | VarveError, waiting: Waiting): void {
    const { session, opaque, isOneway } = waiting
    if (isOneway) return
    if (outcome instanceof Error) refuse(this.#world, outcome, session, opaque)
    else if (this.#isSafe(outcome)) this.#answer(outcome, opaque, session)
    else this.#answerOnceSafe(outcome, session, opaque)
  }

  /** Nothing more has to come onto the disk before the client may be told. */
  #isSafe(sent: Sent): boolean {
    return !sent.waitsForDisk && this.#world.broker.topics.isSaved
  }

  #answerOnceSafe(sent: Sent, session: Session, opaque: number): void {
    const { sending, topics } = this.#world.broker
    const kept = new KeptOutcome(this.#world, session, opaque, sent)
    if (topics.isSaved) return sending.durable(sent.until, kept)
    const { until, waitsForDisk } = sent
    topics.saved().then(
      () => (waitsForDisk ? sending.durable(until, kept) : kept.durable(true)),
      error => kept.durable(error)
    )
  }

  #answer(sent: Sent, opaque: number, { connection }: Session): void {
    const { config } = this.#world.broker
    const idsBytes = sent.messageIdsBytes
    if (this.#ids.length < idsBytes) this.#ids = new Uint8Array(2 * idsBytes)
    sent.writeMessageIds(this.#ids, 0)
    const answer = connection
      .begin(opaque, RESPONSE.SUCCESS)
      .utf8(F.msgId, this.#ids, 0, idsBytes)
      .int(F.queueId, sent.queueId)
      .long(F.queueOffset, sent.queueOffset)
      .utf8(F.transactionId, sent.keyBytes, sent.keyFrom, sent.keyUntil)
      .text(F.region, config.regionId)
      .bool(F.isTraced, config.traceOn)
    const handle = recallHandle(this.#world, sent)
    if (handle !== undefined) answer.text(F.recallHandle, handle)
    answer.end()
  }
}

/** What is kept of an outcome beyond its turn, until the client may be told. */
class KeptOutcome implements DurableAnswer {
  readonly #world: BrokerWorld
  readonly #session: Session
  readonly #opaque: number
  readonly #queueId: number
  readonly #queueOffset: number
  readonly #messageIds: string
  readonly #uniqueKey: string
  readonly #recallHandle: string | undefined

  constructor(world: BrokerWorld, session: Session, opaque: number, sent: Sent) {
    this.#world = world
    this.#session = session
    this.#opaque = opaque
    this.#queueId = sent.queueId
    this.#queueOffset = sent.queueOffset
    this.#messageIds = sent.messageIds
    this.#uniqueKey = sent.uniqueKey
    this.#recallHandle = recallHandle(world, sent)
  }

  durable(outcome: boolean | Error): void {
    if (typeof outcome !== 'boolean') return refuse(this.#world, outcome, this.#session, this.#opaque)
    const { config } = this.#world.broker
    const answer = this.#session.connection
      .begin(this.#opaque, outcome ? RESPONSE.SUCCESS : RESPONSE.FLUSH_DISK_TIMEOUT)
      .text(F.msgId, this.#messageIds)
      .int(F.queueId, this.#queueId)
      .long(F.queueOffset, this.#queueOffset)
      .text(F.transactionId, this.#uniqueKey)
      .text(F.region, config.regionId)
      .bool(F.isTraced, config.traceOn)
    if (this.#recallHandle !== undefined) answer.text(F.recallHandle, this.#recallHandle)
    answer.end()
  }
}

/** By which a timed message can be taken back; a retry is not its producer's to take. */
function recallHandle({ broker }: BrokerWorld, sent: Sent): string | undefined {
  const { topic, outMs } = sent
  if (outMs === 0 || isRetryTopic(topic)) return undefined
  return recallHandleOf({ topic, brokerName: broker.config.brokerName, outMs, uniqueKey: sent.uniqueKey })
}

function refuse({ log }: BrokerWorld, error: unknown, { connection }: Session, opaque: number): void {
  const { responseCode, remark, isOurs } = refusalOf(error)
  if (isOurs) log.error('send failed', { error: error as Error })
  connection.begin(opaque, responseCode, remark).end()
}
