/**
 * Search for a commit: whether a half message of an earlier run has been committed although no operation message says so,
 * because the broker died between the two; or which way a transaction went that is long passed.
 *
 * The committed message names the half message that it came from, and that one names the first of its copies. Of a copy
 * that does not, a committed message with its unique key is taken for it.
 */
import { SCHEDULE_TOPIC, SYS_FLAG, TIMER_TOPIC } from '../../layout/index.ts'
import type { Store } from '../../store/index.ts'
import { FIRST_OFFSET_PROPERTY, type HalfMessage } from './half-message.ts'

export interface CommitTraces {
  readonly physicalOffset: number
  /** Where the message first stood in the half queue. */
  readonly firstOffset: number
  readonly uniqueKey: string
  readonly isNamelessCopy: boolean
  /** Where it would be, were it committed. */
  readonly topics: readonly string[]
}

/** What to search for; to be taken while the half message is valid. */
export function tracesOf(half: HalfMessage): CommitTraces {
  const { topic } = half.due.message
  return {
    physicalOffset: half.physicalOffset,
    firstOffset: half.firstOffset ?? half.queueOffset,
    uniqueKey: half.uniqueKey,
    isNamelessCopy: half.isNamelessCopy,
    topics: half.isDelayed ? [topic, SCHEDULE_TOPIC, TIMER_TOPIC] : [topic]
  }
}

export async function isCommitted(
  store: Pick<Store, 'messagesByKey'>,
  { physicalOffset, firstOffset, uniqueKey, isNamelessCopy, topics }: CommitTraces
): Promise<boolean> {
  if (uniqueKey === '') return false
  for (const topic of topics) {
    const messages = await store.messagesByKey({ topic, key: uniqueKey })
    const found = messages.some(
      ({ sysFlag, preparedTransactionOffset, properties }) =>
        (sysFlag & SYS_FLAG.TRANSACTION_MASK) === SYS_FLAG.TRANSACTION_COMMIT &&
        (isNamelessCopy ||
          preparedTransactionOffset === physicalOffset ||
          properties[FIRST_OFFSET_PROPERTY] === String(firstOffset))
    )
    if (found) return true
  }
  return false
}
