/** Names of the header fields that a name server reads and writes. */
import { field } from '../protocol/index.ts'

export const F = {
  topic: field('topic'),
  cluster: field('cluster'),
  clusterName: field('clusterName'),
  brokerName: field('brokerName'),
  brokerAddr: field('brokerAddr'),
  brokerId: field('brokerId'),
  haServerAddr: field('haServerAddr'),
  masterAddr: field('masterAddr'),
  heartbeatTimeoutMillis: field('heartbeatTimeoutMillis'),
  enableActingMaster: field('enableActingMaster'),
  zoneName: field('__ZONE_NAME'),
  compressed: field('compressed'),
  bodyCrc32: field('bodyCrc32'),
  namespace: field('namespace'),
  key: field('key'),
  value: field('value'),
  changed: field('changed'),
  wipeTopicCount: field('wipeTopicCount'),
  addTopicCount: field('addTopicCount')
} as const
