/**
 * What the head of a record cannot say, wherever no checksum covers it: then it has rotted. Names become paths, and offsets
 * places in files, so whoever follows the log asks here first.
 */
import { isTopicName } from '../layout/index.ts'

export const QUEUE_IMPOSSIBLE = 'no queue can have its topic and number'
export const OFFSET_IMPOSSIBLE = 'no queue can have its queue offset'

/** A number beyond the limit counts if its queue is there: then the limit is lower than it was. */
export function canBeQueue(topic: string, queueId: number, queueIdMax: number, isThere: () => boolean): boolean {
  return isTopicName(topic) && queueId >= 0 && (queueId <= queueIdMax || isThere())
}
