/**
 * The one place where a message may become another before it is stored: half messages of transactions, delayed and
 * timed messages, messages that go to a dead-letter topic instead of a retry topic.
 *
 * What this broker cannot do yet it refuses here, by one table: a message that should wait must not be delivered at once.
 */
import { VarveError } from '../base/index.ts'
import { SYS_FLAG } from '../layout/index.ts'
import type { HostAddress } from '../model/index.ts'
import type { PropertyPass } from './properties.ts'
import type { SendDraft } from './send-draft.ts'

/** What will be stored; a transformation changes it. Every field is set, so that all of them have one shape. */
export interface OutgoingMessage {
  topic: string
  queueId: number
  body: Uint8Array
  properties: Uint8Array
  flag: number
  sysFlag: number
  bornAtMs: number
  bornHost: HostAddress
  reconsumeTimes: number
}

/** `properties` is what the message's own say, read and completed; the bytes in `message` are a view of it. */
export type SendTransform = (message: OutgoingMessage, properties: PropertyPass, draft: SendDraft) => void

interface Unsupported {
  readonly kind: string
  readonly isMeant: (properties: PropertyPass, draft: SendDraft) => boolean
}

const UNSUPPORTED: readonly Unsupported[] = [
  { kind: 'transactional messages', isMeant: ({ isTransaction }, { sysFlag }) => isTransaction || isHalf(sysFlag) },
  { kind: 'messages with a delay level', isMeant: ({ delayLevel }) => delayLevel > 0 },
  { kind: 'timed messages', isMeant: ({ isTimed }) => isTimed }
]

/** Refuses what the table names. @throws VarveError REQUEST_UNSUPPORTED */
export const refuseUnsupported: SendTransform = (_message, properties, draft) => {
  for (const { kind, isMeant } of UNSUPPORTED) {
    if (isMeant(properties, draft)) throw new VarveError('REQUEST_UNSUPPORTED', { topic: draft.topic, kind })
  }
}

/** Prepared or rolled back: the store puts such a message into no queue. */
function isHalf(sysFlag: number): boolean {
  const transaction = sysFlag & SYS_FLAG.TRANSACTION_MASK
  return transaction === SYS_FLAG.TRANSACTION_PREPARED || transaction === SYS_FLAG.TRANSACTION_ROLLBACK
}
