/**
 * Properties of a dead letter that is sent again: its producer's own, without what was added on its way through retries,
 * delays and transactions. A producer's UNIQ_KEY stays, so that consumers see that it is the same message.
 */
import { DEAD_LETTER_ORIGIN, ORIGIN_ID_PROPERTY, RETRY_TOPIC_PROPERTY } from '../../broker/index.ts'
import { encodeProperties } from '../../layout/index.ts'

const DROPPED: ReadonlySet<string> = new Set([
  RETRY_TOPIC_PROPERTY,
  ORIGIN_ID_PROPERTY,
  ...Object.values(DEAD_LETTER_ORIGIN),
  ...['DELAY', 'REAL_TOPIC', 'REAL_QID', 'RECONSUME_TIME', 'MAX_RECONSUME_TIMES', 'CONSUME_START_TIME'],
  ...['TRAN_MSG', 'PGROUP', '__transactionId__', 'TRAN_PREPARED_QUEUE_OFFSET', 'TRANSACTION_CHECK_TIMES'],
  ...['CHECK_IMMUNITY_TIME_IN_SECONDS', 'POP_CK', '1ST_POP_TIME', '__STARTDELIVERTIME'],
  ...['WAIT', 'MSG_REGION', 'TRACE_ON', 'CLUSTER', '__CRC32#']
])
const TIMER_PREFIX = 'TIMER_'

export function requeuedProperties(properties: Readonly<Record<string, string>>): string {
  const kept = Object.entries(properties).filter(([name]) => !DROPPED.has(name) && !name.startsWith(TIMER_PREFIX))
  return new TextDecoder().decode(encodeProperties(kept))
}
