/**
 * Half messages as they come from their producers: stored in the queue for them, where no consumer looks, with the place
 * that they are for among their properties. Their bits are those of a message outside of any transaction, so that the
 * store counts them like others.
 *
 * What else the message is, delayed for instance, it is once it is committed.
 */
import { VarveError } from '../../base/index.ts'
import { encodeText, readText, SYS_FLAG } from '../../layout/index.ts'
import { divert } from '../delay/real-target.ts'
import type { PropertyPass } from '../properties.ts'
import type { SendDraft } from '../send-draft.ts'
import type { SendKind } from '../send-transform.ts'
import { HALF_TOPIC } from '../system-topics.ts'

export const HALF_QUEUE = { topic: HALF_TOPIC, queueId: 0 }
const TRANSACTION_ID = encodeText('__transactionId__')

/** Told of each half message before it is stored, with the topic that it is for. */
export function halfKind(onHalf: (topic: string) => void): SendKind {
  return {
    isMeant: isHalf,
    transform(message, properties) {
      onHalf(message.topic)
      const { bytes, uniqueKey } = properties
      properties.add(TRANSACTION_ID, readText(bytes, uniqueKey.from, uniqueKey.until))
      message.sysFlag &= ~SYS_FLAG.TRANSACTION_MASK
      divert(message, properties, HALF_QUEUE.topic, HALF_QUEUE.queueId)
    }
  }
}

/** A retried message that was transactional once says so still; it is a message like others by now. */
function isHalf({ isTransaction, delayLevel }: PropertyPass, { reconsumeTimes, isOfBroker }: SendDraft): boolean {
  return isTransaction && !isOfBroker && !(reconsumeTimes > 0 && delayLevel > 0)
}

/** A message that claims in its bits alone to be half or rolled back: the store would put it into no queue. */
export const HALF_IN_BITS_ALONE: SendKind = {
  isMeant: (_properties, { sysFlag }) => {
    const transaction = sysFlag & SYS_FLAG.TRANSACTION_MASK
    return transaction === SYS_FLAG.TRANSACTION_PREPARED || transaction === SYS_FLAG.TRANSACTION_ROLLBACK
  },
  transform(_message, _properties, { topic }) {
    throw new VarveError('MESSAGE_ILLEGAL', { reason: 'a half message has the property TRAN_MSG', topic })
  }
}
