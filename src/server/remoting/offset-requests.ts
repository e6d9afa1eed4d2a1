/** Requests about positions: what groups have committed, and where queues begin, end, or were at a time. */
import { VarveError } from '../../base/index.ts'
import { field, REQUEST, RESPONSE, type RemotingRequest } from '../../protocol/index.ts'
import type { BrokerWorld } from './broker-world.ts'
import type { Handlers } from './dispatch.ts'

const F = {
  topic: field('topic'),
  consumerGroup: field('consumerGroup'),
  queueId: field('queueId'),
  commitOffset: field('commitOffset'),
  setZeroIfNotFound: field('setZeroIfNotFound'),
  timestamp: field('timestamp'),
  boundaryType: field('boundaryType'),
  offset: field('offset')
}

export function offsetRequests({ broker }: BrokerWorld): Handlers {
  const { offsetRequests: offsets, queries } = broker
  return [
    [
      REQUEST.QUERY_CONSUMER_OFFSET,
      (request, { connection }) => {
        const isZeroAllowed = request.isAbsent(F.setZeroIfNotFound) || request.bool(F.setZeroIfNotFound)
        const offset = offsets.query(readGroupQueue(request), { isZeroAllowed })
        connection.begin(request.opaque, RESPONSE.SUCCESS).long(F.offset, offset).end()
      }
    ],
    [
      REQUEST.UPDATE_CONSUMER_OFFSET,
      (request, session) => {
        const isTaken = offsets.update(readGroupQueue(request), request.long(F.commitOffset))
        if (request.isOneway) return
        const remark = isTaken ? undefined : 'the offset was reset; the next pull tells where to go on'
        session.connection.begin(request.opaque, RESPONSE.SUCCESS, remark).end()
      }
    ],
    [
      REQUEST.SEARCH_OFFSET_BY_TIMESTAMP,
      async (request, { connection }) => {
        const { opaque } = request
        const boundary = request.text(F.boundaryType)?.toLowerCase() === 'upper' ? 'upper' : 'lower'
        const timeMs = request.long(F.timestamp)
        const offset = await queries.offsetAt({ ...readQueue(request), timeMs, boundary })
        connection.begin(opaque, RESPONSE.SUCCESS).long(F.offset, offset).end()
      }
    ],
    [
      REQUEST.GET_MAX_OFFSET,
      (request, { connection }) => {
        const offset = queries.maxOffset(readQueue(request))
        connection.begin(request.opaque, RESPONSE.SUCCESS).long(F.offset, offset).end()
      }
    ],
    [
      REQUEST.GET_MIN_OFFSET,
      (request, { connection }) => {
        const offset = queries.minOffset(readQueue(request))
        connection.begin(request.opaque, RESPONSE.SUCCESS).long(F.offset, offset).end()
      }
    ],
    [
      REQUEST.GET_EARLIEST_MSG_STORETIME,
      async (request, { connection }) => {
        const { opaque } = request
        const storedAtMs = await queries.earliestStoredAtMs(readQueue(request))
        connection.begin(opaque, RESPONSE.SUCCESS).long(F.timestamp, storedAtMs).end()
      }
    ]
  ]
}

function readQueue(request: RemotingRequest) {
  return { topic: request.requiredInterned(F.topic), queueId: readQueueId(request) }
}

function readGroupQueue(request: RemotingRequest) {
  return { ...readQueue(request), group: request.requiredInterned(F.consumerGroup) }
}

/** @throws VarveError PARAMETER_INVALID */
function readQueueId(request: RemotingRequest): number {
  const queueId = request.int(F.queueId)
  if (queueId < 0) throw new VarveError('PARAMETER_INVALID', { parameter: 'queueId', value: queueId, range: 'from 0' })
  return queueId
}
