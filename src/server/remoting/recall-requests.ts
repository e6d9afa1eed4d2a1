/**
 * The request that takes a timed message back: what it stores is answered like a send, but only with the key of the message
 * that is meant.
 */
import type { VarveError } from '../../base/index.ts'
import { draftOfRecall, type Sent } from '../../broker/index.ts'
import { field, REQUEST, RESPONSE } from '../../protocol/index.ts'
import type { BrokerWorld } from './broker-world.ts'
import type { Handlers } from './dispatch.ts'
import { refusalOf } from './refusal.ts'
import type { Session } from './session.ts'

const F = {
  producerGroup: field('producerGroup'),
  topic: field('topic'),
  handle: field('recallHandle'),
  msgId: field('msgId'),
  region: field('MSG_REGION')
}

export function recallRequests(world: BrokerWorld): Handlers {
  const { broker, clock } = world
  const { config, topics, sending } = broker

  function answer(outcome: Sent | VarveError, session: Session, opaque: number): void {
    if (outcome instanceof Error) return refuse(outcome, session, opaque)
    const { uniqueKey } = outcome
    if (!outcome.waitsForDisk) return succeed(uniqueKey, session, opaque)
    sending.durable(outcome.until, {
      // Taken too long to come onto the disk, it is stored all the same, and clients know no word for that here.
      durable: result =>
        result instanceof Error ? refuse(result, session, opaque) : succeed(uniqueKey, session, opaque)
    })
  }

  function succeed(uniqueKey: string, { connection }: Session, opaque: number): void {
    connection.begin(opaque, RESPONSE.SUCCESS).text(F.msgId, uniqueKey).text(F.region, config.regionId).end()
  }

  return [
    [
      REQUEST.RECALL_MESSAGE,
      (request, session) => {
        const { opaque, isOneway } = request
        const producerGroup = request.text(F.producerGroup) ?? ''
        const asked = { producerGroup, topic: request.requiredText(F.topic), handle: request.requiredText(F.handle) }
        const draft = draftOfRecall({ ...asked, bornHost: session.connection.remote }, { config, topics, clock })
        const sent = sending.send(draft)
        if (sent === undefined) sending.sendLater(draft, outcome => isOneway || answer(outcome, session, opaque))
        else if (!isOneway) answer(sent, session, opaque)
      }
    ]
  ]
}

function refuse(error: Error, { connection }: Session, opaque: number): void {
  const { responseCode, remark } = refusalOf(error)
  connection.begin(opaque, responseCode, remark).end()
}
