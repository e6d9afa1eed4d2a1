/**
 * Requests that read a queue. The records are copied from the log into the output of the connection, right behind the
 * header, and nowhere else.
 *
 * Not here: what may be read, who waits (broker).
 */
import type { VarveError } from '../../base/index.ts'
import type { PullAnswer, PullFound, PullRequest, PullVerdict } from '../../broker/index.ts'
import { field, REQUEST, RESPONSE, type RemotingRequest } from '../../protocol/index.ts'
import type { BrokerWorld } from './broker-world.ts'
import type { Handler, Handlers } from './dispatch.ts'
import { refusalOf } from './refusal.ts'
import type { Session } from './session.ts'

const F = {
  consumerGroup: field('consumerGroup'),
  topic: field('topic'),
  queueId: field('queueId'),
  queueOffset: field('queueOffset'),
  maxMsgNums: field('maxMsgNums'),
  sysFlag: field('sysFlag'),
  commitOffset: field('commitOffset'),
  suspendTimeoutMillis: field('suspendTimeoutMillis'),
  subscription: field('subscription'),
  subVersion: field('subVersion'),
  expressionType: field('expressionType'),
  suggestWhichBrokerId: field('suggestWhichBrokerId'),
  nextBeginOffset: field('nextBeginOffset'),
  minOffset: field('minOffset'),
  maxOffset: field('maxOffset'),
  topicSysFlag: field('topicSysFlag'),
  groupSysFlag: field('groupSysFlag'),
  forbiddenType: field('forbiddenType')
}

const RESPONSE_OF: Readonly<Record<PullVerdict, number>> = {
  found: RESPONSE.SUCCESS,
  nothing: RESPONSE.PULL_NOT_FOUND,
  again: RESPONSE.PULL_RETRY_IMMEDIATELY,
  moved: RESPONSE.PULL_OFFSET_MOVED
}

export function pullRequests({ broker }: BrokerWorld): Handlers {
  const pull: Handler = (request, session) =>
    broker.pulling.pull(readPull(request, session), new Answer(request.opaque, session))
  return [
    [REQUEST.PULL_MESSAGE, pull],
    [REQUEST.LITE_PULL_MESSAGE, pull]
  ]
}

function readPull(request: RemotingRequest, session: Session): PullRequest {
  const { pull } = session
  pull.group = request.requiredInterned(F.consumerGroup)
  pull.topic = request.requiredInterned(F.topic)
  pull.queueId = request.int(F.queueId)
  pull.offset = request.long(F.queueOffset)
  pull.countMax = request.int(F.maxMsgNums)
  pull.sysFlag = request.int(F.sysFlag)
  pull.commitOffset = request.long(F.commitOffset)
  pull.suspendTimeoutMs = request.long(F.suspendTimeoutMillis)
  pull.expression = request.interned(F.subscription)
  pull.expressionType = request.interned(F.expressionType)
  pull.subscriptionVersion = request.long(F.subVersion, 0)
  return pull
}

/** Goes to the request's connection, at once or when a message has come. */
class Answer implements PullAnswer {
  readonly #opaque: number
  readonly #session: Session

  constructor(opaque: number, session: Session) {
    this.#opaque = opaque
    this.#session = session
  }

  found(found: PullFound): void {
    const writer = this.#session.connection
      .begin(this.#opaque, RESPONSE_OF[found.verdict], found.status)
      .long(F.suggestWhichBrokerId, found.suggestedBrokerId)
      .long(F.nextBeginOffset, found.nextOffset)
      .long(F.minOffset, found.minOffset)
      .long(F.maxOffset, found.maxOffset)
      .int(F.topicSysFlag, found.topicSysFlag)
      .int(F.groupSysFlag, found.groupSysFlag)
    const { selection } = found
    if (selection === undefined) return writer.end()
    const { bytes, at } = writer.endHeader(selection.bytes)
    selection.copyTo(bytes, at)
  }

  refused(error: VarveError): void {
    const { responseCode, remark } = refusalOf(error)
    const writer = this.#session.connection.begin(this.#opaque, responseCode, remark)
    const { forbiddenType } = error.details
    if (typeof forbiddenType === 'number') writer.int(F.forbiddenType, forbiddenType)
    writer.end()
  }
}
