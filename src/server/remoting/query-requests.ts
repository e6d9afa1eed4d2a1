/** Requests that find messages: by key, by id. Records go out as they lie in the log. */
import { VarveError } from '../../base/index.ts'
import { field, REQUEST, RESPONSE } from '../../protocol/index.ts'
import type { BrokerWorld } from './broker-world.ts'
import type { Handlers } from './dispatch.ts'

const F = {
  topic: field('topic'),
  key: field('key'),
  maxNum: field('maxNum'),
  beginTimestamp: field('beginTimestamp'),
  endTimestamp: field('endTimestamp'),
  isUniqueKey: field('_UNIQUE_KEY_QUERY'),
  offset: field('offset'),
  indexTime: field('indexLastUpdateTimestamp'),
  indexPosition: field('indexLastUpdatePhyoffset')
}

export function queryRequests({ broker }: BrokerWorld): Handlers {
  const { queries } = broker
  return [
    [
      REQUEST.QUERY_MESSAGE,
      async (request, { connection }) => {
        const { opaque } = request
        const found = await queries.findByKey({
          topic: request.requiredInterned(F.topic),
          key: request.requiredText(F.key),
          countMax: request.int(F.maxNum),
          fromMs: request.long(F.beginTimestamp),
          untilMs: request.long(F.endTimestamp),
          isUnique: request.bool(F.isUniqueKey)
        })
        if (found === undefined) throw new VarveError('MESSAGE_NOT_FOUND')
        const bytes = found.records.reduce((sum, record) => sum + record.length, 0)
        const room = connection
          .begin(opaque, RESPONSE.SUCCESS)
          .long(F.indexTime, found.indexedAtMs)
          .long(F.indexPosition, found.indexedUntil)
          .endHeader(bytes)
        let { at } = room
        for (const record of found.records) {
          room.bytes.set(record, at)
          at += record.length
        }
      }
    ],
    [
      REQUEST.VIEW_MESSAGE_BY_ID,
      async (request, { connection }) => {
        const { opaque } = request
        const record = await queries.byPosition(request.long(F.offset))
        connection.begin(opaque, RESPONSE.SUCCESS).endWith(record)
      }
    ]
  ]
}
