/**
 * Requests that store messages: one, or a batch, under either set of header names.
 *
 * A message that the store takes at once is answered at once, straight from the reused outcome. Only what has to wait, for
 * room, for the disk, or until the topic that was made for it is on disk, is remembered in an object of its own.
 *
 * Not here: what may be stored and what becomes of it (broker), replies (reply-requests.ts).
 */
import { KiB, type VarveError } from '../../base/index.ts'
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

const NO_BYTES = new Uint8Array(0)

/** Where an answer goes that cannot be given at once. */
interface Waiting {
  readonly session: Session
  readonly opaque: number
  readonly isOneway: boolean
}

class SendRequests {
  readonly #world: BrokerWorld
  #ids = new Uint8Array(64)
  readonly #outcome = new Outcome()
  readonly #texts = new KeptTexts()

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
    const kept = new KeptOutcome(this.#world, session, opaque, sent, this.#texts)
    if (topics.isSaved) return sending.durable(sent.until, kept)
    const { until, waitsForDisk } = sent
    topics.saved().then(
      () => (waitsForDisk ? sending.durable(until, kept) : kept.durable(true)),
      error => kept.durable(error)
    )
  }

  #answer(sent: Sent, opaque: number, session: Session): void {
    const idsBytes = sent.messageIdsBytes
    if (this.#ids.length < idsBytes) this.#ids = new Uint8Array(2 * idsBytes)
    const outcome = this.#outcome
    outcome.queueId = sent.queueId
    outcome.queueOffset = sent.queueOffset
    outcome.ids = this.#ids
    outcome.idsUntil = sent.writeMessageIds(this.#ids, 0)
    outcome.key = sent.keyBytes
    outcome.keyFrom = sent.keyFrom
    outcome.keyUntil = sent.keyUntil
    outcome.recallHandle = recallHandle(this.#world, sent)
    writeAnswer(this.#world, session, opaque, RESPONSE.SUCCESS, outcome)
  }
}

/** What the answer says of what was stored. */
class Outcome {
  queueId = 0
  queueOffset = 0
  ids: Uint8Array = NO_BYTES
  idsFrom = 0
  idsUntil = 0
  key: Uint8Array = NO_BYTES
  keyFrom = 0
  keyUntil = 0
  recallHandle: string | undefined
}

/** What is kept of an outcome beyond its turn, until the client may be told. */
class KeptOutcome extends Outcome implements DurableAnswer {
  readonly #world: BrokerWorld
  readonly #session: Session
  readonly #opaque: number

  constructor(world: BrokerWorld, session: Session, opaque: number, sent: Sent, texts: KeptTexts) {
    super()
    this.#world = world
    this.#session = session
    this.#opaque = opaque
    const { messageIdsBytes, keyBytes, keyFrom, keyUntil } = sent
    texts.makeRoom(messageIdsBytes + keyUntil - keyFrom)
    this.queueId = sent.queueId
    this.queueOffset = sent.queueOffset
    this.ids = this.key = texts.bytes
    this.idsFrom = texts.used
    this.idsUntil = this.keyFrom = sent.writeMessageIds(texts.bytes, texts.used)
    this.keyUntil = texts.used = copyBytes(keyBytes, keyFrom, keyUntil, texts.bytes, this.idsUntil)
    this.recallHandle = recallHandle(world, sent)
  }

  durable(outcome: boolean | Error): void {
    if (typeof outcome !== 'boolean') return refuse(this.#world, outcome, this.#session, this.#opaque)
    writeAnswer(this.#world, this.#session, this.#opaque, outcome ? RESPONSE.SUCCESS : FLUSH_DISK_TIMEOUT, this)
  }
}
const { FLUSH_DISK_TIMEOUT } = RESPONSE

/** Bytes of many outcomes behind each other: neither strings nor small buffers, which cost more than the rest of an answer. */
class KeptTexts {
  bytes: Uint8Array = NO_BYTES
  used = 0

  makeRoom(bytes: number): void {
    if (this.used + bytes <= this.bytes.length) return
    this.bytes = new Uint8Array(Math.max(bytes, KEPT_TEXTS_BYTES))
    this.used = 0
  }
}
/** Given back as a whole, once nobody waits any more whose answer stands in it. */
const KEPT_TEXTS_BYTES = 16 * KiB

function copyBytes(bytes: Uint8Array, from: number, until: number, into: Uint8Array, at: number): number {
  for (let byte = from; byte < until; byte++) into[at++] = bytes[byte] as number // In range by the loop.
  return at
}

function writeAnswer(
  { broker }: BrokerWorld,
  { connection }: Session,
  opaque: number,
  code: number,
  sent: Outcome
): void {
  const { regionId, traceOn } = broker.config
  const answer = connection
    .begin(opaque, code)
    .utf8(F.msgId, sent.ids, sent.idsFrom, sent.idsUntil)
    .int(F.queueId, sent.queueId)
    .long(F.queueOffset, sent.queueOffset)
    .utf8(F.transactionId, sent.key, sent.keyFrom, sent.keyUntil)
    .text(F.region, regionId)
    .bool(F.isTraced, traceOn)
  if (sent.recallHandle !== undefined) answer.text(F.recallHandle, sent.recallHandle)
  answer.end()
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
