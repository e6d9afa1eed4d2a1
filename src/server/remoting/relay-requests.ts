/**
 * Requests that a tool sends by way of the broker to one client: what is it doing, let it take this message, how far has
 * it come. The client's answer goes back as it is.
 */
import { VarveError } from '../../base/index.ts'
import type { Member } from '../../broker/index.ts'
import { decodeMessageId } from '../../layout/index.ts'
import {
  type FieldValues,
  field,
  parseWire,
  printWire,
  REQUEST,
  RESPONSE,
  type RemotingAnswer,
  type RemotingConnection,
  type RemotingRequest,
  VERSION_CONSUMER_STATUS
} from '../../protocol/index.ts'
import type { BrokerWorld } from './broker-world.ts'
import type { Handlers } from './dispatch.ts'
import { Session } from './session.ts'

const F = {
  consumerGroup: field('consumerGroup'),
  clientId: field('clientId'),
  msgId: field('msgId'),
  group: field('group'),
  topic: field('topic'),
  clientAddr: field('clientAddr')
}

const CLIENT_TIMEOUT_MS = 10_000
const STATUS_TIMEOUT_MS = 5_000

export function relayRequests({ broker }: BrokerWorld): Handlers {
  const { clients, queries } = broker

  /** @throws VarveError CONSUMER_UNREACHABLE */
  function memberOf(group: string, clientId: string): Member {
    const member = clients.consumerGroup(group)?.memberById(clientId)
    if (member === undefined) throw new VarveError('CONSUMER_UNREACHABLE', { group, clientId })
    if (member.version < VERSION_CONSUMER_STATUS) {
      throw new VarveError('CONSUMER_UNREACHABLE', { group, clientId, reason: 'its version does not answer this' })
    }
    return member
  }

  return [
    [
      REQUEST.GET_CONSUMER_RUNNING_INFO,
      async (request, { connection }) => {
        const { opaque, code } = request
        const member = memberOf(request.requiredInterned(F.consumerGroup), request.requiredText(F.clientId))
        const fields = fieldsOf(request)
        passOn(await connectionOf(member).call(code, fields, { timeoutMs: CLIENT_TIMEOUT_MS }), connection, opaque)
      }
    ],
    [
      REQUEST.CONSUME_MESSAGE_DIRECTLY,
      async (request, { connection }) => {
        const { opaque, code } = request
        const member = memberOf(request.requiredInterned(F.consumerGroup), request.requiredText(F.clientId))
        const fields = fieldsOf(request)
        const body = await queries.byPosition(decodeMessageId(request.requiredText(F.msgId)).physicalOffset)
        passOn(
          await connectionOf(member).call(code, fields, { body, timeoutMs: CLIENT_TIMEOUT_MS }),
          connection,
          opaque
        )
      }
    ],
    [
      REQUEST.INVOKE_BROKER_TO_GET_CONSUMER_STATUS,
      async (request, session) => {
        const { opaque, isOneway } = request
        const group = request.requiredInterned(F.group)
        const topic = request.requiredInterned(F.topic)
        const clientAddr = request.text(F.clientAddr)
        const members = [...(clients.consumerGroup(group)?.members() ?? [])]
        if (members.length === 0) throw new VarveError('CONSUMER_OFFLINE', { group })
        const asked = members.filter(({ link }) => clientAddr === undefined || link.address === clientAddr)
        const rows = await Promise.all(
          asked.map(async member => [member.clientId, await statusOf(member, group, topic)])
        )
        session.succeed(
          { opaque, isOneway },
          printWire({ consumerTable: Object.fromEntries(rows), messageQueueTable: {} })
        )
      }
    ]
  ]
}

async function statusOf(member: Member, group: string, topic: string) {
  const fields = { group, topic }
  const answer = await connectionOf(member).call(REQUEST.GET_CONSUMER_STATUS_FROM_CLIENT, fields, {
    timeoutMs: STATUS_TIMEOUT_MS
  })
  if (answer.code !== RESPONSE.SUCCESS || answer.body.length === 0) return {}
  const status = parseWire(answer.body)
  return (typeof status === 'object' && status !== null && !Array.isArray(status) && status.messageQueueTable) || {}
}

function connectionOf({ link, clientId }: Member): RemotingConnection {
  if (link instanceof Session) return link.connection
  throw new VarveError('CONSUMER_UNREACHABLE', { clientId, reason: 'it speaks another protocol' })
}

function fieldsOf(request: RemotingRequest): FieldValues {
  const fields: Record<string, string> = Object.create(null)
  request.eachField((name, value) => {
    fields[name] = value
  })
  return fields
}

function passOn(answer: RemotingAnswer, to: RemotingConnection, opaque: number): void {
  const writer = to.begin(opaque, answer.code, answer.remark)
  answer.eachField((name, value) => writer.named(name, value))
  if (answer.body.length === 0) writer.end()
  else writer.endWith(answer.body)
}
