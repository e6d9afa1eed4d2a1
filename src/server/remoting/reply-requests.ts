/**
 * Requests by which a consumer replies to a message: the reply goes straight to the producer that waits for it, over the
 * connection on which that producer is known here, and a copy into the topic for replies.
 *
 * Invariants:
 * - the answer tells whether the producer took the reply, whatever became of the copy
 * - a producer that does not answer in time counts as not reached; what it answers later goes nowhere
 *
 * Not here: matching a reply to its request (the producer does that, by CORRELATION_ID).
 */
import { VarveError } from '../../base/index.ts'
import type { SendDraft } from '../../broker/index.ts'
import { decodeProperties } from '../../layout/index.ts'
import { field, REQUEST, RESPONSE, type RemotingConnection, readSend } from '../../protocol/index.ts'
import type { BrokerWorld } from './broker-world.ts'
import type { Handler, Handlers } from './dispatch.ts'
import { Session } from './session.ts'

const F = {
  msgId: field('msgId'),
  queueId: field('queueId'),
  queueOffset: field('queueOffset'),
  transactionId: field('transactionId'),
  region: field('MSG_REGION'),
  isTraced: field('TRACE_ON')
}

/** The property in which a request says who waits for the reply: a client's id. */
const REPLY_TO = 'REPLY_TO_CLIENT'
const PUSH_TIMEOUT_MS = 10_000
/** In place of an id where no copy was stored. */
const NO_ID = '0'

/** What stays of a reply once its request is somebody else's. */
interface Reply {
  readonly clientId: string
  readonly fields: Readonly<Record<string, string | number | boolean>>
  readonly body: Uint8Array
}

interface Copy {
  readonly messageId: string
  readonly uniqueKey: string
  readonly queueId: number
  readonly queueOffset: number
}

export function replyRequests(world: BrokerWorld): Handlers {
  const handle = new ReplyRequests(world).handle
  return [
    [REQUEST.SEND_REPLY_MESSAGE, handle],
    [REQUEST.SEND_REPLY_MESSAGE_V2, handle]
  ]
}

class ReplyRequests {
  readonly #world: BrokerWorld

  constructor(world: BrokerWorld) {
    this.#world = world
  }

  readonly handle: Handler = async (request, { draft, connection }) => {
    const { opaque, isOneway } = request
    readSend(request, draft)
    const queueId = this.#world.broker.sending.check(draft)
    const reply = this.#read(draft)
    const copy = this.#store(draft) ?? { messageId: NO_ID, uniqueKey: '', queueId, queueOffset: 0 }
    await this.#push(reply)
    if (!isOneway) this.#answer(copy, opaque, connection)
  }

  /** @throws VarveError REPLY_UNDELIVERED if it does not say for whom it is */
  #read(draft: SendDraft): Reply {
    const { clock, broker } = this.#world
    const clientId = decodeProperties(draft.properties, 0, draft.properties.length)[REPLY_TO]
    if (clientId === undefined) {
      throw new VarveError('REPLY_UNDELIVERED', { reason: `${REPLY_TO} is null, can not reply message` })
    }
    const nowMs = clock.nowMs()
    const { bornHost } = draft
    const fields = {
      producerGroup: draft.producerGroup,
      topic: draft.topic,
      defaultTopic: draft.defaultTopic,
      defaultTopicQueueNums: draft.defaultTopicQueueNums,
      queueId: draft.queueId,
      sysFlag: draft.sysFlag,
      bornTimestamp: draft.bornAtMs,
      flag: draft.flag,
      properties: withProperty(new TextDecoder().decode(draft.properties), 'PUSH_REPLY_TIME', String(nowMs)),
      reconsumeTimes: draft.reconsumeTimes,
      unitMode: draft.isUnit,
      bornHost: `${bornHost.address}:${bornHost.port}`,
      storeHost: broker.address,
      storeTimestamp: nowMs
    }
    return { clientId, fields, body: draft.body.slice() }
  }

  /** A copy that cannot be stored is not worth a reply: the log says so, and the reply goes on. */
  #store(draft: SendDraft): Copy | undefined {
    const { broker, log } = this.#world
    if (!broker.config.storeReplyMessageEnable) return undefined
    try {
      const sent = broker.sending.send(draft)
      if (sent === undefined) log.warn('reply not stored', { topic: draft.topic, reason: 'others wait for room' })
      return (
        sent && {
          messageId: sent.messageIds,
          uniqueKey: sent.uniqueKey,
          queueId: sent.queueId,
          queueOffset: sent.queueOffset
        }
      )
    } catch (error) {
      if (!(error instanceof VarveError)) throw error
      log.warn('reply not stored', { topic: draft.topic, error })
      return undefined
    }
  }

  /** @throws VarveError REPLY_UNDELIVERED */
  async #push({ clientId, fields, body }: Reply): Promise<void> {
    const link = this.#world.broker.clients.producerById(clientId)?.link
    if (!(link instanceof Session) || !link.isOpen) {
      const reason = `push reply message fail, channel of <${clientId}> not found.`
      throw new VarveError('REPLY_UNDELIVERED', { reason, clientId })
    }
    const failed = (cause?: unknown, code: number = RESPONSE.SYSTEM_ERROR): VarveError => {
      const reason = `push reply message to ${clientId} fail.`
      return new VarveError('REPLY_UNDELIVERED', { reason, clientId, code }, { cause })
    }
    const code = await link.connection
      .call(REQUEST.PUSH_REPLY_MESSAGE_TO_CLIENT, fields, { body, timeoutMs: PUSH_TIMEOUT_MS })
      .then(
        answer => answer.code,
        error => {
          throw error instanceof VarveError ? failed(error) : error
        }
      )
    if (code !== RESPONSE.SUCCESS) throw failed(undefined, code)
  }

  #answer({ messageId, uniqueKey, queueId, queueOffset }: Copy, opaque: number, connection: RemotingConnection): void {
    const { config } = this.#world.broker
    connection
      .begin(opaque, RESPONSE.SUCCESS)
      .text(F.msgId, messageId)
      .int(F.queueId, queueId)
      .long(F.queueOffset, queueOffset)
      .text(F.transactionId, uniqueKey)
      .text(F.region, config.regionId)
      .bool(F.isTraced, config.traceOn)
      .end()
  }
}

/** `properties` in the encoding of records, of which the last piece may lack its end. */
function withProperty(properties: string, name: string, value: string): string {
  const separator = properties === '' || properties.endsWith('\u0002') ? '' : '\u0002'
  return `${properties}${separator}${name}\u0001${value}\u0002`
}
